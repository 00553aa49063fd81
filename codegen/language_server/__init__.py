"""A language server for contract repositories: what editors show while people type.

`workspace` is the repository with the texts that are being typed, `symbols` who uses what in it,
`hover`, `completion` and `changes` answer questions about a place, and `server` speaks the Language
Server Protocol (3.17). Nothing here writes a file.
"""
