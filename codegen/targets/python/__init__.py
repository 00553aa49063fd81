"""The target `python`: one installable, typed package for each service."""
