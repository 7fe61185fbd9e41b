"""Of which tokens a backbone was trained to be read: the pooling that sentence-transformers keeps beside a model.

    modules.json       which modules the model has, and in which folder each is kept
    1_Pooling/         the pooling's configuration

Of an encoder that was made for retrieval, the mean of the tokens (or the first, or the last one) stands for the text
already; another token's state has to be taught from nothing to do so, which takes more steps than few labels give.
"""

import json
from pathlib import Path

from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from sentence_transformers.util import load_file_path

MODULES, FOLDER = "modules.json", "1_Pooling"


def trained(backbone: str) -> str | None:
    """The pooling mode that comes with a backbone, a folder or hub id as `backbone.find` gives it; None without one."""
    listed = load_file_path(backbone, MODULES)
    modules = json.loads(Path(listed).read_text(encoding="utf-8")) if listed else []
    for module in modules:
        if module["type"].endswith(".Pooling"):
            mode = Pooling.load_config(backbone, subfolder=module["path"])["pooling_mode"]
            return mode if isinstance(mode, str) else None
    return None


def keep(mode: str, size: int, folder: Path) -> None:
    """Write beside the backbone in `folder`, whose states have `size` numbers, of which tokens it is to be read."""
    (folder / FOLDER).mkdir()
    Pooling(size, pooling_mode=mode).save(str(folder / FOLDER))
    modules = [(Transformer, ""), (Pooling, FOLDER)]
    listed = [
        {"idx": n, "name": str(n), "path": path, "type": f"{kind.__module__}.{kind.__name__}"}
        for n, (kind, path) in enumerate(modules)
    ]
    (folder / MODULES).write_text(json.dumps(listed, indent=1), encoding="utf-8")
