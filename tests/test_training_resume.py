"""A training that was killed and begun again ends at the weights of one that was left alone, to the last bit."""

import json

import pytest
import torch
import transformers

torch.set_num_threads(1)

import killed  # noqa: E402
import toy_trainings  # noqa: E402

TRAININGS = {
    "teacher": (toy_trainings.teacher, {}),
    "contrary teacher": (toy_trainings.teacher, {"contrary": True}),
    "projection": (toy_trainings.student, {"tune": "projection"}),
    "contrary projection": (toy_trainings.student, {"tune": "projection", "contrary": True}),
    "all": (toy_trainings.student, {"tune": "all"}),
}
MOMENTS = {
    "in the first epoch": ("training_step", 5),
    "in the last epoch": ("training_step", -1),
    "writing the first checkpoint": ("_save_optimizer_and_scheduler", 1),
    "writing the third checkpoint": ("_save_rng_state", 3),
    "after the last step": ("_finalize_training", 1),
}
CASES = [
    *(("teacher", moment) for moment in MOMENTS),
    ("contrary teacher", "after the last step"),
    *(("projection", moment) for moment in MOMENTS),
    ("contrary projection", "in the last epoch"),
    ("all", "in the last epoch"),
]


def train(name, backbone, folder, scratch=None):
    work, settings = TRAININGS[name]
    work(backbone, folder, scratch or folder.with_name("scratch"), **settings)


def weights(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}
