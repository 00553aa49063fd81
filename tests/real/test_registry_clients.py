"""Registry clients of other ecosystems, unchanged, against the embedded registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from codegen.registry.http import serve_in_thread
from codegen.registry.store import Store
from real.node import npm_install, run_node


@pytest.fixture
def url() -> Iterator[str]:
    store = Store(":memory:")
    with serve_in_thread(store) as address:
        yield address
    store.close()


PARTS = """
const url = JSON.parse(process.env.ARGUMENT);
const text = (...fields) => JSON.stringify({
  type: 'record', name: 'Sold', namespace: 'shop', fields,
});
const a = {name: 'a', type: 'int'};
const one = text(a);
const wider = text(a, {name: 'b', type: 'string', default: 'none'});
const breaking = text(a, {name: 'c', type: 'string'});
const failure = async (asked) => {
  try { await asked(); return null; } catch (error) { return error; }
};
const run = (main) => main().then(
  (found) => { console.log(JSON.stringify(found)); process.exit(0); },
  (error) => { console.error(error); process.exit(1); },
);
"""


CONFLUENT = """
const {SchemaRegistryClient, AvroSerializer, AvroDeserializer, SerdeType, Compatibility}
  = require('@confluentinc/schemaregistry');
run(async () => {
  const client = new SchemaRegistryClient({baseURLs: [url], maxRetries: 0});
  const found = {};
  const avro = (schema, more = {}) => ({schemaType: 'AVRO', schema, ...more});
  const serializer = new AvroSerializer(client, SerdeType.VALUE, {autoRegisterSchemas: true});
  await client.register('sold-value', avro(one));
  const latest = new AvroSerializer(client, SerdeType.VALUE, {useLatestVersion: true});
  const bytes = await latest.serialize('sold', {a: 7});
  found.bytes = bytes.toString('hex');
  await client.register('sold-value', avro(wider));
  const reader = new AvroDeserializer(client, SerdeType.VALUE, {});
  found.value = await reader.deserialize('sold', bytes);

  found.again = await client.register('sold-value', avro(wider));
  found.full = await client.registerFullResponse('other-value', avro(one));
  found.versions = await client.getAllVersions('sold-value');
  found.version = await client.getVersion('sold-value', avro(wider), false);
  found.id = await client.getId('sold-value', avro(one), false);
  found.byId = await client.getBySubjectAndId('sold-value', 1);
  found.byGuid = await client.getByGuid(found.full.guid);
  client.clearLatestCaches();
  found.latest = await client.getLatestSchemaMetadata('sold-value');
  found.compatible = await client.testSubjectCompatibility('sold-value', avro(wider));
  found.incompatible = await client.testSubjectCompatibility('sold-value', avro(breaking));
  const refused = await failure(() => client.register('sold-value', avro(breaking)));
  found.refused = [refused.status, refused.errorCode];
  found.level = await client.updateCompatibility('sold-value', Compatibility.FULL);
  found.levels = [await client.getCompatibility('sold-value'),
                  await client.getDefaultCompatibility()];
  await client.updateConfig('sold-value', {normalize: true});
  found.config = await client.getConfig('sold-value');

  const owned = {metadata: {properties: {owner: 'me', site: 'here'}}};
  await client.register('owned', avro(one, owned));
  await client.register('owned', avro(wider, {metadata: {properties: {owner: 'you'}}}));
  found.owned = (await client.getLatestWithMetadata('owned', owned.metadata.properties)).version;

  await client.register('money', avro('{"type":"fixed","name":"shop.Money","size":4}'));
  const references = [{name: 'shop.Money', subject: 'money', version: 1}];
  await client.register('priced', avro(text({name: 'm', type: 'shop.Money'}), {references}));
  found.references = (await client.getLatestSchemaMetadata('priced')).references;
  const bound = await failure(() => client.deleteSubject('money', false));
  found.bound = [bound.status, bound.errorCode];

  found.subjects = await client.getAllSubjects();
  found.deleted = await client.deleteSubjectVersion('sold-value', 1, false);
  found.gone = await client.deleteSubject('sold-value', false);
  const missing = await failure(() => client.getAllVersions('sold-value'));
  found.missing = [missing.status, missing.errorCode];
  return found;
});
"""


def test_confluents_client_for_javascript(url: str) -> None:
    packages = npm_install("@confluentinc/schemaregistry@1.10.1")
    found: Any = run_node(packages, PARTS + CONFLUENT, url)
    assert found["bytes"] == "00000000010e"
    assert found["value"] == {"a": 7}
    assert found["again"] == 2
    assert (found["full"]["id"], len(found["full"]["guid"])) == (1, 36)
    assert (found["versions"], found["version"], found["id"]) == ([1, 2], 2, 1)
    assert found["byId"]["schema"] == found["byGuid"]["schema"]
    assert (found["latest"]["version"], found["latest"]["id"]) == (2, 2)
    assert (found["compatible"], found["incompatible"]) == (True, False)
    assert found["refused"] == [409, 409]
    assert (found["level"], found["levels"]) == ("FULL", ["FULL", "BACKWARD"])
    assert found["config"] == {"compatibilityLevel": "FULL", "normalize": True}
    assert found["owned"] == 1
    assert found["references"] == [{"name": "shop.Money", "subject": "money", "version": 1}]
    assert found["bound"] == [422, 42206]
    assert found["subjects"] == ["money", "other-value", "owned", "priced", "sold-value"]
    assert (found["deleted"], found["gone"]) == (1, [2])
    assert found["missing"] == [404, 40401]


KAFKAJS = """
const {SchemaRegistry, SchemaType, COMPATIBILITY} = require('@kafkajs/confluent-schema-registry');
run(async () => {
  const registry = new SchemaRegistry({host: url, retry: {retries: 0}});
  const found = {};
  const avro = (schema) => ({type: SchemaType.AVRO, schema});
  const level = {subject: 'sold-value', compatibility: COMPATIBILITY.BACKWARD};
  found.first = await registry.register(avro(one), level);
  found.second = await registry.register(avro(wider), level);
  found.again = await registry.register(avro(one), level);
  found.derived = await registry.register(avro(one));
  const bytes = await registry.encode(found.first.id, {a: 7});
  found.bytes = bytes.toString('hex');
  found.value = await registry.decode(bytes);
  const other = new SchemaRegistry({host: url}, {[SchemaType.AVRO]: {}});
  const readerSchema = JSON.parse(wider);
  found.resolved = await other.decode(bytes, {[SchemaType.AVRO]: {readerSchema}});
  found.latest = await registry.getLatestSchemaId('sold-value');
  found.id = await registry.getRegistryId('sold-value', 1);
  found.bySchema = await registry.getRegistryIdBySchema('sold-value', avro(one));
  const unknown = await failure(() => registry.getRegistryIdBySchema('sold-value', avro(breaking)));
  found.unknown = unknown.message;
  const refused = await failure(() => registry.register(avro(breaking), level));
  found.refused = [refused.status, refused.message];
  const changed = {...level, compatibility: COMPATIBILITY.FULL};
  found.level = (await failure(() => registry.register(avro(wider), changed))).name;
  const missing = await failure(() => registry.getSchema(99));
  found.missing = missing.status;

  await registry.register(avro('{"type":"fixed","name":"shop.Money","size":4}'),
                          {subject: 'money'});
  const references = [{name: 'shop.Money', subject: 'money', version: 1}];
  const priced = {...avro(text({name: 'm', type: 'shop.Money'})), references};
  const id = (await registry.register(priced, {subject: 'priced'})).id;
  const money = Buffer.from([1, 2, 3, 4]);
  const sent = await registry.encode(id, {m: money});
  const fresh = new SchemaRegistry({host: url});
  found.money = Buffer.from((await fresh.decode(sent)).m).toString('hex');
  return found;
});
"""


def test_the_client_of_kafkajs(url: str) -> None:
    packages = npm_install("@kafkajs/confluent-schema-registry@4.1.0")
    found: Any = run_node(packages, PARTS + KAFKAJS, url)
    registered = [found[name]["id"] for name in ("first", "second", "again", "derived")]
    assert registered == [1, 2, 1, 1]
    assert found["bytes"] == "00000000010e"
    assert found["value"] == {"a": 7}
    assert found["resolved"] == {"a": 7, "b": "none"}
    assert (found["latest"], found["id"], found["bySchema"]) == (2, 1, 1)
    assert found["unknown"] == "Confluent_Schema_Registry - Schema not found"
    assert found["refused"][0] == 409
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in found["refused"][1]
    assert found["level"] == "ConfluentSchemaRegistryCompatibilityError"
    assert found["missing"] == 404
    assert found["money"] == "01020304"
