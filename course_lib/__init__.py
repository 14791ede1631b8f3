"""Generative adversarial networks for few-shot learning: the code the notebooks import.

Rooms, ground floor first: runtime · glyphs, networks, torchvision_guard · data · episodes · baselines,
evaluate · plots, checks, authoring, cli. A room imports only from floors below it.
"""
