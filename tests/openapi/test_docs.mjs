// test_docs.mjs - real answers at /docs against openapi.yaml; tests/browser looks at the page itself.
import assert from 'node:assert/strict';
import test, {after, before} from 'node:test';
import {
    assertDocumented, assertGet, assertMethods, assertProblem, endAll, isDocs, makeKey, openapi, operations, postBatch, request, seen,
    startServer, startUpstream,
} from './lib.mjs';

const FILES = openapi.paths['/docs/{file}'].parameters[0].schema.enum;
const ROUTE = '/docs/{file}';
let server;

before(async () => {
    server = await startServer({auth: {keys: [{name: 'a', sha256: [makeKey().sha256]}]}});
});
after(async () => {
    try {
        await server.stop();
    } finally {
        endAll();
    }
});

test('the page and each of its files come as documented, without a key, and HEAD the same without a body', async () => {
    await assertGet(server, '/docs', '/docs');
    for (const file of FILES) await assertGet(server, ROUTE, `/docs/${file}`);
    assert.equal((await request(server, 'GET', '/metrics')).status, 401, 'a key is needed elsewhere');
});

test('with a slash behind it the page is elsewhere, as documented', async () => {
    const answer = await request(server, 'GET', '/docs/');
    assert.deepEqual([answer.status, answer.headers.location, answer.body], [308, '../docs', '']);
    assertDocumented('GET', '/docs/', answer);
});

test('each of the paths knows exactly the documented methods', async () => {
    await assertMethods(server, '/docs', '/docs');
    await assertMethods(server, '/docs/', '/docs/');
    for (const file of FILES) await assertMethods(server, ROUTE, `/docs/${file}`);
});

test('who has it already gets 304', async () => {
    for (const [route, path] of [['/docs', '/docs'], ...FILES.map((file) => [ROUTE, `/docs/${file}`])]) {
        const {headers} = await request(server, 'GET', path);
        const again = await request(server, 'GET', path, {headers: {'If-None-Match': headers.etag}});
        assert.equal(again.status, 304, path);
        assertDocumented('GET', route, again);
    }
});

test('what is not there is 404, what comes compressed only is 406 to who takes no gzip', async () => {
    const none = await request(server, 'GET', '/docs/index.html');
    assertProblem(none, 404, 'not_found');
    assertDocumented('GET', ROUTE, none);
    const plain = await request(server, 'GET', '/docs/swagger-ui.css', {headers: {'Accept-Encoding': 'identity'}});
    assertProblem(plain, 406, 'not_acceptable');
    assertDocumented('GET', ROUTE, plain);
});

test('a server that drains refuses them as the rest', async () => {
    const upstream = await startUpstream();
    const leaving = await startServer({server: {drain_timeout: '2s'}});
    const arrived = upstream.hangs();
    const running = postBatch(leaving, {items: [{url: upstream.url('/never')}]});
    await arrived;
    leaving.child.kill('SIGTERM');
    let ready;
    do ready = await request(leaving, 'GET', '/readyz'); while (ready.status === 200);
    for (const [route, path] of [['/docs', '/docs'], ['/docs/', '/docs/'], [ROUTE, '/docs/LICENSE']]) {
        const answer = await request(leaving, 'GET', path);
        assertProblem(answer, 503, 'draining');
        assertDocumented('GET', route, answer);
    }
    await running;
    await leaving.ended();
    await upstream.stop();
});

test('every documented answer really came', () => {
    const expected = [...operations()].filter(isDocs).flatMap(({operation}) => Object.keys(operation.responses)
        .filter((status) => status !== 'default').map((status) => `${operation.operationId} ${status}`));
    assert.deepEqual(expected.filter((name) => !seen.has(name)), []);
});
