"""What a field on the command line means: `NAME:TYPE[=DEFAULT] [DOC]`, as a field of Avro.

    order_id:uuid                     a logical type (Avro 1.12 specification, Logical Types)
    total:decimal(12,2)               precision and scale
    channel:enum(WEB,STORE)=WEB       an enum of its own, named after the field, and a default;
                                      a symbol like UNKNOWN is what readers take for others
    note:string?                      nullable: null first, null as default
    tags:string[]  labels:string{}    arrays and maps
    customer:retail.orders.Customer   a type of another file
    placed_at:timestamp When it happened.

A type that is not known is told with its place in the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from datetime import date
from difflib import get_close_matches

from codegen.avro.logical import judge_value, read_logical_type, write_decimal
from codegen.avro.schema import LogicalType
from codegen.rules.mends import CATCH_ALL
from codegen.source import Json

PRIMITIVES = ("boolean", "int", "long", "float", "double", "bytes", "string")

_LOGICAL: dict[str, tuple[str, str]] = {
    "uuid": ("string", "uuid"),
    "date": ("int", "date"),
    "time": ("int", "time-millis"),
    "time-millis": ("int", "time-millis"),
    "time-micros": ("long", "time-micros"),
    "timestamp": ("long", "timestamp-millis"),
    "timestamp-millis": ("long", "timestamp-millis"),
    "timestamp-micros": ("long", "timestamp-micros"),
    "local-timestamp-millis": ("long", "local-timestamp-millis"),
    "local-timestamp-micros": ("long", "local-timestamp-micros"),
}
"""The short names of logical types: the primitive type below, and Avro's name."""

_SPELLINGS: dict[str, str] = {
    "array": "a list is written TYPE[], for example string[]",
    "list": "a list is written TYPE[], for example string[]",
    "map": "a map is written TYPE{}, for example string{}",
    "record": "define the record in a file of its own, and use its name here",
    "fixed": "define the fixed in a file of its own, and use its name here",
    "union": "a nullable type is written TYPE?; other unions are edited in the schema file",
}
"""What Avro has a word for, and how a field says it."""

_EPOCH = date(1970, 1, 1).toordinal()

KNOWN = (*PRIMITIVES, *_LOGICAL, "decimal(P,S)", "enum(A,B)")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SUFFIXES: dict[str, Callable[[Json], Json]] = {
    "[]": lambda items: {"type": "array", "items": items},
    "{}": lambda values: {"type": "map", "values": values},
}
_MAX_SUFFIXES = 8


class FieldError(ValueError):
    """A field that cannot be meant; `text` is what was given, `at` the place in it."""

    def __init__(self, message: str, text: str, at: int, hint: str = "") -> None:
        super().__init__(message)
        self.text = text
        self.at = at
        self.hint = hint


def parse_field(
    text: str, types: Collection[str], namespace: str, doc: str = ""
) -> dict[str, Json]:
    """The field as JSON, in the order in which schemas are written; `doc` is for one without any.

    `types` are the full names that can be used; one of `namespace`, or one that only one namespace
    has, goes by its simple name too. Raises FieldError.
    """
    return _Parser(text, types, namespace).parse(doc)


class _Parser:
    def __init__(self, text: str, types: Collection[str], namespace: str) -> None:
        self._text = text
        self._types = types
        self._namespace = namespace
        self._at = 0
        self._name = ""
        self._enum: dict[str, Json] = {}

    def parse(self, otherwise: str) -> dict[str, Json]:
        self._name = self._take(_NAME) or ""
        if not self._name:
            raise self._error("a field begins with its name", "for example order_id:uuid")
        if not self._skip(":"):
            hint = f"for example {self._name}:string; types are {', '.join(KNOWN)}"
            raise self._error("a colon and the type are missing after the name", hint)
        schema = self._type()
        is_nullable = self._skip("?")
        field: dict[str, Json] = {"name": self._name, "type": schema}
        default = self._default(schema) if self._skip("=") else ()
        if is_nullable:
            # A default belongs to the first branch (Avro 1.12 specification, Unions).
            is_null = not default or default[0] is None
            field["type"] = ["null", schema] if is_null else [schema, "null"]
            default = default or (None,)
        if default:
            field["default"] = default[0]
        if self._at < len(self._text) and not self._text[self._at].isspace():
            hint = "after a type come [] or {}, ?, =DEFAULT, and a doc after a blank"
            raise self._error(f"{self._text[self._at]!r} does not belong here", hint)
        if doc := self._text[self._at :].strip() or otherwise:
            field["doc"] = doc
            # The enum is the field's own: what the field means is what is chosen.
            if self._enum:
                self._enum["doc"] = doc
        return field

    def _type(self) -> Json:
        begin = self._at
        word = self._take(_WORD) or ""
        if not word:
            raise self._error("a type is missing", f"types are {', '.join(KNOWN)}")
        schema = self._named(word, begin)
        for _ in range(_MAX_SUFFIXES):
            suffix = next((one for one in _SUFFIXES if self._skip(one)), "")
            if not suffix:
                break
            schema = _SUFFIXES[suffix](schema)
        return schema

    def _named(self, word: str, begin: int) -> Json:
        if word in PRIMITIVES:
            return word
        if word in _LOGICAL:
            primitive, logical = _LOGICAL[word]
            return {"type": primitive, "logicalType": logical}
        if word == "decimal":
            return self._decimal(begin)
        if word == "enum":
            return self._make_enum(begin)
        found = [
            name
            for name in (word, f"{self._namespace}.{word}" if self._namespace else word)
            if name in self._types
        ] or [name for name in self._types if "." not in word and name.endswith(f".{word}")]
        if len(found) > 1 and found[0] not in (word, f"{self._namespace}.{word}"):
            hint = f"write it with its namespace: {', '.join(sorted(found))}"
            raise self._error(f"{word} may be one of several types", hint, begin)
        if found:
            return found[0]
        near = get_close_matches(word, [*PRIMITIVES, *_LOGICAL, *self._types], 1)
        hint = f"did you mean {near[0]}?" if near else f"types are {', '.join(KNOWN)}"
        hint = _SPELLINGS.get(word, hint)
        raise self._error(f"there is no type {word}", hint, begin)

    def _decimal(self, begin: int) -> Json:
        words = self._arguments()
        if not 1 <= len(words) <= 2 or not all(word.isdecimal() for word in words):
            hint = "for example decimal(12,2): 12 digits in all, 2 of them after the point"
            raise self._error("a decimal needs its precision and its scale", hint, begin)
        precision, scale = int(words[0]), int(words[1]) if len(words) > 1 else 0
        if not 0 < precision <= 1000 or scale > precision:
            hint = "the precision is at least 1, and the scale not more than the precision"
            message = f"decimal({precision},{scale}) can hold no number"
            raise self._error(message, hint, begin)
        return {
            "type": "bytes",
            "logicalType": "decimal",
            "precision": precision,
            "scale": scale,
        }

    def _make_enum(self, begin: int) -> Json:
        symbols = self._arguments()
        wrong = next((one for one in symbols if not _NAME.fullmatch(one)), None)
        if not symbols or wrong is not None or len(set(symbols)) != len(symbols):
            message = "an enum needs its symbols"
            if wrong:
                message = f"{wrong} cannot be a symbol: letters, digits and _ only"
            elif symbols:
                message = "a symbol of the enum is there twice"
            raise self._error(message, "for example enum(WEB,STORE)", begin)
        name = "".join(part[:1].upper() + part[1:] for part in self._name.split("_"))
        full = f"{self._namespace}.{name}" if self._namespace else name
        if full in self._types:
            hint = f"use it: {self._name}:{name}; or give the field another name"
            raise self._error(f"there is a type {full} already", hint, begin)
        catch_all = next((one for one in symbols if CATCH_ALL.fullmatch(one)), None)
        self._enum |= {"type": "enum", "name": name, "symbols": list(symbols)}
        if catch_all is not None:
            self._enum["default"] = catch_all
        return self._enum

    def _arguments(self) -> list[str]:
        if not self._skip("("):
            return []
        end = self._text.find(")", self._at)
        if end < 0:
            raise self._error("a closing parenthesis is missing", "", len(self._text))
        words = [word.strip() for word in self._text[self._at : end].split(",")]
        self._at = end + 1
        return words if words != [""] else []

    def _default(self, schema: Json) -> tuple[Json]:
        """The default, which may be null, in a tuple."""
        begin, rest = self._at, self._text[self._at :]
        is_text = schema == "string" or (
            isinstance(schema, dict) and (schema["type"] in ("string", "enum"))
        )
        if rest[:1] in ('"', "[", "{"):
            try:
                given, length = json.JSONDecoder().raw_decode(rest)
            except (ValueError, RecursionError):
                hint = "write it as JSON"
                raise self._error("the default is not complete", hint, begin) from None
            self._at += length
            return (given,)
        word = re.match(r"\S*", rest)
        text = word[0] if word else ""
        self._at += len(text)
        if is_text and text != "null":
            value: Json = text
        else:
            try:
                value = _read_value(schema, text)
            except ValueError:
                message = f"the default {text} is no value of this type"
                hint = "write it as JSON, or leave out the ="
                raise self._error(message if text else "it has no value", hint, begin) from None
        if value is not None and (problem := _judge(schema, value)):
            hint = f"for example {_EXAMPLES.get(schema['logicalType'], '0')}, or leave out the ="
            raise self._error(problem, hint, begin)
        return (value,)

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def _skip(self, word: str) -> bool:
        if not self._text.startswith(word, self._at):
            return False
        self._at += len(word)
        return True

    def _error(self, message: str, hint: str, at: int | None = None) -> FieldError:
        return FieldError(message, self._text, self._at if at is None else at, hint)


_EXAMPLES = {"uuid": "00000000-0000-0000-0000-000000000000", "date": "2026-12-31"}


def _find_logical_type(schema: Json) -> LogicalType | None:
    return read_logical_type(schema["type"], schema) if isinstance(schema, dict) else None


def _read_value(schema: Json, text: str) -> Json:
    """A word as a default: a decimal and a date as people write them, all else as JSON.

    Raises ValueError where it is none.
    """
    logical = _find_logical_type(schema)
    if text != "null" and logical is not None and logical.name == "decimal":
        number = write_decimal(text, logical)
        if number is None:
            raise ValueError(text)
        return number
    if logical is not None and logical.name == "date" and "-" in text[1:]:
        return date.fromisoformat(text).toordinal() - _EPOCH
    return json.loads(text)


def _judge(schema: Json, value: Json) -> str | None:
    """Why a default is no value of a logical type, where its kind is right."""
    logical = _find_logical_type(schema)
    if logical is None or logical.name == "decimal" or isinstance(value, float | bool):
        return None
    is_text = schema["type"] == "string"
    return (
        judge_value(logical, schema["type"], value) if is_text == isinstance(value, str) else None
    )
