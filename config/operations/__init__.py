"""Commands for operations that belong to no app: backups, restoring, upgrades, due work."""
