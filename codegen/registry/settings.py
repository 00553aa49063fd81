"""What holds for a subject: level, mode, and what its schemas get by default?

What is set for a subject goes before what is set for its context, and that before what is set for
all. Settings that this registry does not act on (`alias`, `validateFields`, `validateRules`) are
kept and returned as they came; under `compatibilityPolicy` LOGICAL nothing is called compatible.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from codegen.contract.model import Level
from codegen.registry.database import Database
from codegen.registry.entries import DEFAULT_CONTEXT, Content, RegistryError, split_subject
from codegen.source import Json

MODES = ("READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT", "FORWARD")

SETTINGS: Mapping[str, type] = {
    "alias": str,
    "normalize": bool,
    "validateFields": bool,
    "validateRules": bool,
    "compatibilityGroup": str,
    "compatibilityPolicy": str,
    "defaultMetadata": dict,
    "overrideMetadata": dict,
    "defaultRuleSet": dict,
    "overrideRuleSet": dict,
}
"""What can be set beside the level."""

_LEVEL = "compatibilityLevel"
_NO_LEVEL = (
    "Invalid compatibility level. Valid values are none, backward, forward, full, "
    "backward_transitive, forward_transitive, and full_transitive"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Levels, modes and the like, in the tables of a registry.

    A scope is a subject, a context written `:.ctx:`, or "" for all.
    """

    database: Database

    def own_configuration(self, scope: str) -> dict[str, Json] | None:
        """What is set for exactly this scope, None for nothing."""
        value: dict[str, Json] | None = self._value("config", scope)
        return value

    def configuration(self, scope: str) -> dict[str, Json]:
        """What holds for a scope. The level is BACKWARD where none is set."""
        merged: dict[str, Json] = {_LEVEL: Level.BACKWARD.value}
        for outer in reversed(_scopes(scope)):
            merged |= self._value("config", outer) or {}
        return merged

    def level(self, scope: str) -> Level:
        """The compatibility level that holds for a scope."""
        return Level(self.configuration(scope)[_LEVEL])

    def configure(self, scope: str, changes: Mapping[str, Json]) -> None:
        """Set the level (`compatibility`) and what else is named; null unsets.

        Raises RegistryError: 42203 for no level, 422 for another value that is none.
        """
        wanted = {key: changes[key] for key in SETTINGS if key in changes}
        for key, value in wanted.items():
            if value is not None and not isinstance(value, SETTINGS[key]):
                raise RegistryError(422, f'"{key}" must be of the type {SETTINGS[key].__name__}')
        if (level := changes.get("compatibility")) is not None:
            wanted[_LEVEL] = level.upper() if isinstance(level, str) else level
            if wanted[_LEVEL] not in [one.value for one in Level]:
                raise RegistryError(42203, _NO_LEVEL)
        with self.database.change():
            merged = (self.own_configuration(scope) or {}) | wanted
            self._set("config", scope, {key: one for key, one in merged.items() if one is not None})
            self._check_policy(scope)

    def is_logical(self, scope: str) -> bool:
        """Whether the policy that holds for a scope looks at logical types, as Flink does."""
        return str(self.configuration(scope).get("compatibilityPolicy")).upper() == "LOGICAL"

    def _check_policy(self, scope: str) -> None:
        """Refuse a policy by which the level cannot be judged, in Confluent's words."""
        level = self.level(scope)
        if self.is_logical(scope) and level in (Level.FORWARD, Level.FORWARD_TRANSITIVE):
            raise RegistryError(
                42203,
                "compatibilityPolicy=LOGICAL cannot be combined with compatibilityLevel="
                f"{level.value}: Iceberg only supports backward-compatible schema evolution",
            )

    def forget_configuration(self, scope: str) -> dict[str, Json]:
        """Unset all, and return what held. Raises RegistryError (40401) when nothing was set."""
        with self.database.change():
            before = self.own_configuration(scope)
            if before is None and scope:
                raise RegistryError(40401, f"Subject '{scope}' not found.")
            held = self.configuration(scope)
            self._forget("config", scope)
            return before or held

    def own_mode(self, scope: str) -> str | None:
        """The mode that is set for exactly this scope."""
        value: str | None = self._value("mode", scope)
        return value

    def mode(self, scope: str) -> str:
        """The mode that holds for a scope: READWRITE where none is set."""
        modes = [self.own_mode(outer) for outer in _scopes(scope)]
        if modes[-1] == "READONLY_OVERRIDE":
            return modes[-1]
        return next((mode for mode in modes if mode is not None), "READWRITE")

    def set_mode(self, scope: str, mode: str, force: bool = False) -> None:
        """Set a mode. Raises RegistryError (42204; 42205 for IMPORT over existing versions).

        `force` sets IMPORT over them.
        """
        if mode not in MODES:
            raise RegistryError(42204, f"Invalid mode. Valid values are {', '.join(MODES)}")
        with self.database.change():
            begins = mode == "IMPORT" and self.mode(scope) != "IMPORT"
            if begins and not force and self._holds_versions(scope):
                message = f"Cannot import since found existing subjects {scope}".strip()
                raise RegistryError(42205, message)
            self._set("mode", scope, mode)

    def forget_mode(self, scope: str, is_recursive: bool = False) -> str:
        """Unset a mode, and return it. Raises RegistryError (40401) when none was set.

        `is_recursive` unsets the modes of all subjects inside the scope too.
        """
        with self.database.change():
            before = self.own_mode(scope)
            if before is None and scope and not is_recursive:
                raise RegistryError(40401, f"Subject '{scope}' not found.")
            self._forget("mode", scope)
            if is_recursive and _is_wide(scope):
                self.forget_within(scope, ("mode",))
            return before or "READWRITE"

    def forget_all(self, subject: str) -> None:
        """Unset what was set for a subject whose last version is deleted, inside a change."""
        self._forget("config", subject)
        self._forget("mode", subject)

    def forget_within(self, scope: str, kinds: Sequence[str] = ("mode", "config")) -> None:
        """Unset what was set for a context, or for all, and the subjects in it, inside a change."""
        statement = "DELETE FROM settings WHERE kind = ? AND substr(scope, 1, ?) = ?"
        self.database.write_all(statement, [(kind, len(scope), scope) for kind in kinds])

    def complete(self, subject: str, content: Content, previous: Content | None) -> Content:
        """The content with the metadata and rules that the settings and the version before give.

        What is given goes before the version before; the defaults go below both, overrides above.
        """
        held = self.configuration(subject)
        before = previous or content
        metadata = before.metadata if content.metadata is None else content.metadata
        rules = before.rules if content.rules is None else content.rules
        return replace(
            content,
            metadata=_merge(held.get("defaultMetadata"), metadata, held.get("overrideMetadata")),
            rules=_merge(held.get("defaultRuleSet"), rules, held.get("overrideRuleSet")),
        )

    def _holds_versions(self, scope: str) -> bool:
        if not _is_wide(scope):
            query = "SELECT 1 FROM versions WHERE subject = ?"
            return self.database.row(query, scope) is not None
        query = "SELECT 1 FROM versions WHERE substr(subject, 1, ?) = ?"
        return self.database.row(query, len(scope), scope) is not None

    def _value(self, kind: str, scope: str) -> Json:
        query = "SELECT value FROM settings WHERE scope = ? AND kind = ?"
        row = self.database.row(query, scope, kind)
        return json.loads(row[0]) if row else None

    def _set(self, kind: str, scope: str, value: Json) -> None:
        statement = (
            "INSERT INTO settings VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
        )
        self.database.write(statement, scope, kind, json.dumps(value))

    def _forget(self, kind: str, scope: str) -> None:
        self.database.write("DELETE FROM settings WHERE scope = ? AND kind = ?", scope, kind)


def _scopes(scope: str) -> tuple[str, ...]:
    """Where a setting is looked for, the nearest first: the subject, its context, all."""
    context = split_subject(scope)[0]
    inner = () if context == DEFAULT_CONTEXT else (f":{context}:",)
    return tuple(dict.fromkeys((scope, *inner, "")))


def _is_wide(scope: str) -> bool:
    """Whether a scope is a context or all, not a subject."""
    return not scope or (scope.startswith(":.") and not split_subject(scope)[1])


def _merge(*layers: Mapping[str, Json] | None) -> Mapping[str, Json] | None:
    """Metadata, or sets of rules, where what later layers say of one thing counts."""
    given = [layer for layer in layers if layer is not None]
    if len(given) < 2:
        return given[0] if given else None
    merged: dict[str, Json] = {}
    for layer in given:
        for part, value in layer.items():
            before = merged.get(part)
            match before, value:
                case dict(), dict():
                    merged[part] = before | value
                case list(), list():
                    merged[part] = _merge_lists(before, value)
                case _:
                    merged[part] = before if value is None else value
    return merged


def _merge_lists(before: list[Json], value: list[Json]) -> list[Json]:
    """Rules by their names, everything else by itself."""
    items = {
        json.dumps(item.get("name") if isinstance(item, dict) else item): item
        for item in (*before, *value)
    }
    return list(items.values())
