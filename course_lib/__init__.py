"""Generative adversarial networks for few-shot learning: the lesson, which the notebooks import."""
