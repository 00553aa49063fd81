"""What can be wrong with a schema as such, before anything is compared: the rules of the parser."""

from __future__ import annotations

from codegen.diagnostics import Severity, rule

WRONG_SHAPE = rule(
    "schema/wrong-shape",
    "An attribute is missing, or holds the wrong kind of JSON value.",
    "The Avro specification names the attributes of each type and what each may hold. Parsers "
    "differ in what they forgive, so a schema that one service reads may stop another.",
)
UNKNOWN_TYPE = rule(
    "schema/unknown-type",
    "A type is neither primitive nor defined anywhere in the repository.",
    "A name without a dot means a type of the namespace it is written in. Without its definition "
    "no library can read the schema, and no registry takes it.",
)
INVALID_NAME = rule(
    "schema/invalid-name",
    "A name does not match [A-Za-z_][A-Za-z0-9_]*.",
    "Names become identifiers in generated code and keys in registries; the specification allows "
    "ASCII letters, digits and underscores only, and a full name is such names joined by dots.",
)
DUPLICATE = rule(
    "schema/duplicate",
    "A type, a field, a symbol or a union branch stands twice.",
    "Each name has one meaning; with two, readers differ in which one they take. Files that each "
    "write out all that they use repeat what they share: a name in its place says the same, and a "
    "change of the type has one place then.",
)
AMBIGUOUS_NAME = rule(
    "schema/ambiguous-name",
    "A name means one type by the specification, and another one to Avro Java.",
    "Avro Java knows a record only once its fields are read, and until then takes a short name for "
    "a type without a namespace, if there is one. So the registry and a consumer in Java read "
    "another schema than the one that was reviewed.",
    severity=Severity.WARNING,
)
AMBIGUOUS_ALIAS = rule(
    "schema/ambiguous-alias",
    "An alias of a field is the name of a field of the same record.",
    "Avro Java finds two fields for one then, and stops, even where reader and writer have the "
    "same schema; a registry refuses every further version.",
)
NESTED_UNION = rule(
    "schema/nested-union",
    "A union stands directly inside a union.",
    "The binary form writes one branch number, so a union in a union has no encoding.",
)
INVALID_DEFAULT = rule(
    "schema/invalid-default",
    "A default value does not fit its schema.",
    "Registries accept such a schema, and readers fail on the first message that needs the "
    "default.",
)
INVALID_ENUM_DEFAULT = rule(
    "schema/invalid-enum-default",
    "The default of an enum is not one of its symbols.",
    "A reader that meets an unknown symbol takes the default; it must be a symbol it knows.",
)
