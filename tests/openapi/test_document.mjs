// test_document.mjs - openapi.yaml by itself, and against the source: lint, routes, codes, version.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {readdirSync} from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import {openapi, operations, readSource, source} from './lib.mjs';

const field = (text, name) => text.match(new RegExp(`\\.${name} = "([^"]+)"`))?.[1];

function routesOfTheSource() {
    const table = readSource('handlers/routes.c');
    const routes = [];
    for (const file of readdirSync(path.join(source, 'handlers')).filter((name) => name.endsWith('.c'))) {
        const text = readSource(`handlers/${file}`);
        for (const [, name, body] of text.matchAll(/^const struct route (\w+) = \{(.*?)^\};/gms)) {
            assert.match(table, new RegExp(`&${name},`), `${name} does not stand in routes.c`);
            routes.push(`${field(body, 'operation')}: ${field(body, 'method')} ${field(body, 'path')}`);
        }
    }
    assert.equal(routes.length, table.match(/&\w+_route,/g).length);
    return routes.sort();
}

const namesOf = (text, table, column) => {
    const body = text.slice(text.indexOf(`#define ${table}(X)`)).split(/\n\n|\nenum/)[0];
    return [...body.matchAll(/X\(([^)]*)\)/g)]
        .map(([, row]) => row.match(/"[^"]*"/g)[column].slice(1, -1));
};

test('the document lints without a finding', () => {
    const redocly = path.join(source, 'tests/openapi/node_modules/@redocly/cli/bin/cli.js');
    const {status, stdout, stderr} = spawnSync(process.execPath, [redocly, 'lint', '--format=json',
        '--max-problems=100', `--config=${path.join(source, 'redocly.yaml')}`, path.join(source, 'openapi.yaml')], {
        encoding: 'utf8',
        env: {...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true'},
    });
    assert.equal(status, 0, stdout + stderr);
    assert.deepEqual(JSON.parse(stdout).problems, []);
});

test('the routes of the source are the operations of the document', () => {
    const documented = [...operations()]
        .map(({route, method, operation}) => `${operation.operationId}: ${method.toUpperCase()} ${route}`).sort();
    assert.deepEqual(documented, routesOfTheSource());
});

test('each operation has an example of each answer with a body, and of its request', () => {
    const component = (object) => object.$ref ? openapi.components.responses[object.$ref.split('/').pop()] : object;
    for (const {operation} of operations()) {
        const bodies = Object.values(operation.responses).map(component);
        if (operation.requestBody) bodies.push(operation.requestBody);
        for (const {content} of bodies)
            for (const media of Object.values(content ?? {}))
                assert.ok(Object.keys(media.examples ?? {}).length > 0, operation.operationId);
    }
});

test('the codes of the source are the codes of the document', () => {
    const codes = readSource('common/code.h');
    const {ItemErrorCode, ItemError, Problem} = openapi.components.schemas;
    assert.deepEqual(ItemErrorCode.enum, namesOf(codes, 'ITEM_CODES', 0).filter((code) => code !== 'ok'));
    assert.deepEqual(ItemError.properties.reason.enum, namesOf(codes, 'ITEM_REASONS', 0).filter(Boolean));
    const problems = new Set(namesOf(readSource('common/problem.h'), 'PROBLEM_CODES', 0));
    assert.deepEqual(new Set(Problem.properties.code.enum), problems);
});

test('the document has the version of the project', () => {
    const [, version] = readSource('CMakeLists.txt').match(/project\(batchgate VERSION (\S+)/);
    assert.equal(openapi.info.version, version);
});
