"""avsc for JavaScript reads otherwise than Avro Java, in the ways that rules/readers.py states."""

from __future__ import annotations

import pytest
from test_readers import CASES

from codegen.rules.readers import LACKING, Ability
from real.node import npm_install, run_node

PROGRAM = """
const {Type} = require('avsc');
const {writer, reader, data} = JSON.parse(process.env.ARGUMENT);
const [older, newer] = [writer, reader].map((schema) => Type.forSchema(schema));
let result = {};
try {
  const value = newer.fromBuffer(Buffer.from(data, 'hex'), newer.createResolver(older));
  result = {value: Buffer.isBuffer(value) ? value.toString('latin1') : value};
} catch (error) {
  result = {error: error.message};
}
console.log(JSON.stringify(result));
"""


@pytest.mark.parametrize("ability", Ability)
def test_avsc_lacks_what_is_said_of_it(ability: Ability) -> None:
    writer, reader, data, expected = CASES[ability]
    argument = {"writer": writer, "reader": reader, "data": data.hex()}
    result = run_node(npm_install("avsc@5.7.9"), PROGRAM, argument)
    wanted = expected.decode() if isinstance(expected, bytes) else expected
    assert (result == {"value": wanted}) == ("avsc" not in LACKING[ability])
