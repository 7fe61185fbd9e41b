"""A language model behind an OpenAI-compatible endpoint as a grader: prompt, client, answers, cache."""
