// test_answers.mjs - real answers of the real server, good and bad, against the schemas of openapi.yaml.
import assert from 'node:assert/strict';
import test, {after, before} from 'node:test';
import {
    assertDocumented, assertGet, assertMethods, assertProblem as libProblem, assertValid, check, closedPort, documentText, endAll,
    eventsOf, isDocs, isNamed, linesOf, makeKey, openapi, operations, postBatch, raw, request, schema, seen, startServer, startUpstream,
} from './lib.mjs';

const ours = [...operations()].filter((one) => !isNamed(one) && !isDocs(one));
const itemCodes = new Set(), problemCodes = new Set();
let upstream, server;
let refusesCodings; // libmicrohttpd 1.0 answers an unknown transfer coding by itself: 400 without a request id

before(async () => {
    upstream = await startUpstream();
    server = await startServer({
        limits: {max_body: '64KiB', max_items: 200, max_response: '128KiB'},
        pool: {queue_limit: 100},
        targets: {deny: ['denied.example']},
    });
    const start = server.lines.map((line) => JSON.parse(line)).find((line) => 'libmicrohttpd' in line);
    refusesCodings = !start.libmicrohttpd.startsWith('0.');
});
after(async () => {
    try {
        await server.stop();
        await upstream.stop();
    } finally {
        endAll();
    }
});

async function results(batch, on = server) {
    const {status, value} = await postBatch(on, batch);
    assert.equal(status, 200, JSON.stringify(value));
    assert.equal(value.results.length, batch.items.length);
    value.results.forEach((result, index) => assert.equal(result.index, index));
    for (const {error} of value.results) if (error) itemCodes.add(error.code);
    return value.results;
}

function assertProblem(answer, status, code) {
    problemCodes.add(code);
    return libProblem(answer, status, code);
}

test('GET operations answer as documented, and HEAD the same without a body', async () => {
    for (const {route, method} of ours) if (method === 'get') await assertGet(server, route, route);
});

test('the server hands out this very document, in the version it says it is', async () => {
    assert.equal((await request(server, 'GET', '/openapi.yaml')).body, documentText);
    assert.equal(JSON.parse((await request(server, 'GET', '/version')).body).version, openapi.info.version);
});

test('each path knows exactly the documented methods', async () => {
    for (const {route} of ours) await assertMethods(server, route, route);
    problemCodes.add('method_not_allowed');
});

test('a request id of the client comes back, another one is replaced', async () => {
    const kept = await request(server, 'GET', '/healthz', {headers: {'X-Request-Id': 'order-4711'}});
    assert.equal(kept.headers['x-request-id'], 'order-4711');
    const replaced = await request(server, 'GET', '/healthz', {headers: {'X-Request-Id': 'no spaces'}});
    assert.notEqual(replaced.headers['x-request-id'], 'no spaces');
    assertDocumented('GET', '/healthz', replaced);
});

test('the request examples of the document run', async () => {
    const {examples} = openapi.paths['/v1/batch'].post.requestBody.content['application/json'];
    for (const [name, {value}] of Object.entries(examples)) {
        assertValid(schema('BatchRequest'), value);
        const batch = JSON.parse(JSON.stringify(value).replaceAll('https://api.example.com', upstream.origin));
        for (const result of await results(batch)) assert.equal(result.success, true, `${name}: ${JSON.stringify(result)}`);
    }
});

test('each shape of the answer: lines, events and their data are as documented', async () => {
    const batch = {items: [{id: 'a', url: upstream.url('/json')}, {url: upstream.url('/gone')}, {}],
        options: {include_headers: true, include_timing: true}};
    const types = Object.keys(openapi.paths['/v1/batch'].post.responses['200'].content);
    assert.deepEqual(types, ['application/json', 'application/x-ndjson', 'text/event-stream', 'text/plain']);
    const [, ndjson, sse, text] = await Promise.all(types.map(async (type) => {
        const answer = await postBatch(server, batch, {Accept: type});
        assert.equal(answer.headers['content-type'].split(';')[0], type);
        if (type !== 'application/json')
            assert.deepEqual([answer.headers['cache-control'], answer.headers['x-accel-buffering'],
                answer.headers['content-length']], ['no-store', 'no', undefined]);
        return answer.body;
    }));
    const lines = linesOf(ndjson);
    for (const line of lines) assertValid(schema('StreamLine'), line);
    assert.deepEqual(lines.slice(0, -1).map(({index}) => index).sort(), [0, 1, 2]);
    assert.equal(lines.at(-1).summary.failed, 2);
    const kinds = {result: 'Result', progress: 'Progress', summary: 'Summary'};
    const events = eventsOf(sse);
    for (const {event, data} of events) assertValid(schema(kinds[event]), JSON.parse(data));
    assert.deepEqual(events.filter(({event}) => event === 'result').map(({id}) => id), ['1', '2', '3']);
    assert.equal(events.at(-1).event, 'summary');
    assert.match(text, /\[OK\] a \(\d+\.\d\d s\)/);
});

test('results of each kind of body', async () => {
    const [json, nothing, badJson, text, bytes, empty, head, own] = await results({items: [
        {url: upstream.url('/json')}, {url: upstream.url('/null')}, {url: upstream.url('/badjson')},
        {id: 'text', url: upstream.url('/text')}, {id: 7, url: upstream.url('/bin')}, {url: upstream.url('/empty')},
        {method: 'HEAD', url: upstream.url('/text')}, {url: upstream.url('/echo'), body_text: 'mine'},
    ]});
    assert.deepEqual([json.body_encoding, json.id], ['json', null]);
    assert.deepEqual([nothing.body, nothing.body_encoding], [null, 'json']);
    assert.deepEqual([badJson.body, badJson.body_encoding, badJson.success], ['{"a": nope}', 'text', true]);
    assert.deepEqual([text.body, text.body_encoding, text.id], ['gr\u00fc\u00df dich', 'text', 'text']);
    assert.deepEqual([bytes.body, bytes.body_encoding, bytes.id], ['AAEC/w==', 'base64', 7]);
    assert.deepEqual([empty.body, empty.body_encoding, empty.status], [null, null, 204]);
    assert.deepEqual([head.body, head.body_encoding], [null, null]);
    assert.equal(Buffer.from(own.body.body, 'base64').toString(), 'mine');
});

test('include_headers, include_timing, include_body', async () => {
    const items = [{url: upstream.url('/cookies')}, {url: upstream.url('/busy'), retry: {max_attempts: 2, backoff_ms: 1}},
        {url: 'ftp://127.0.0.1/'}];
    const full = await results({items, options: {include_headers: true, include_timing: true}});
    assert.deepEqual(full[0].headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(full[1].timing.attempts.length, 2);
    assert.equal(full[1].attempts, 2);
    for (const result of full.slice(0, 2)) assert.match(result.timing.remote_address, /^127\.0\.0\.1:/);
    const failed = await results({items, options: {include_body: 'failed'}});
    assert.deepEqual(failed.map((result) => result.body), [null, 'busy', null]);
    const none = await results({items, options: {include_body: 'none'}});
    assert.deepEqual(none.map((result) => result.body), [null, null, null]);
});

test('each way an item can fail here', async () => {
    const items = {
        'upstream_status': {url: upstream.url('/gone')},
        'connect_failed': {url: `http://127.0.0.1:${await closedPort()}/`},
        'tls_failed': {url: upstream.url('/json').replace('http:', 'https:')},
        'timeout': {url: upstream.url('/never'), timeout_ms: 100},
        'upstream_protocol': {url: upstream.url('/close')},
        'response_too_large': {url: upstream.url('/big')},
        'too_many_redirects': {url: upstream.url('/loop'), max_redirects: 2},
        'blocked_target': {url: 'http://169.254.169.254/latest/meta-data'},
        'invalid_item': {},
    };
    const answers = await results({items: Object.values(items)});
    assert.deepEqual(answers.map(({error}) => error?.code), Object.keys(items));
    const [followed, cut, garbage] = await results({items: [
        {url: upstream.url('/moved'), max_redirects: 1}, {url: upstream.url('/cut')}, {url: upstream.url('/garbage')}]});
    assert.equal(followed.success, true);
    assert.deepEqual([cut.error.code, cut.error.reason, cut.body], ['upstream_protocol', 'truncated', null]);
    assert.deepEqual([garbage.error.code, garbage.error.reason], ['upstream_protocol', 'malformed']);
    const denied = await results({items: [{url: 'http://denied.example/'}, {url: 'ftp://a.example/'},
        {url: 'http://a@b.example/'}]});
    assert.deepEqual(denied.map(({error}) => error.reason), ['host_denied', 'scheme_denied', 'userinfo_denied']);
});

test('what is not started: stop_on_error, a rate limit past the clock', async () => {
    const [, ...rest] = await results({
        items: [{url: upstream.url('/gone')}, {url: upstream.url('/json')}, {url: upstream.url('/json')}],
        options: {concurrency: 1, stop_on_error: true}});
    for (const {error, attempts} of rest)
        assert.deepEqual([error.code, error.reason, error.sent, attempts], ['cancelled', 'stop_on_error', false, 0]);
    const [first, second] = await results({
        items: [{url: upstream.url('/json')}, {url: upstream.url('/json')}],
        options: {rate_limit: '1/h', batch_timeout_ms: 300}});
    assert.deepEqual([first.success, second.error?.code], [true, 'rate_limited']);
});

test('upstreams: none, one that works, one that was given up, as JSON and as a table', async () => {
    const dead = `http://127.0.0.1:${await closedPort()}`;
    const own = await startServer({upstreams: [
        {match: new URL(dead).host, breaker: {failures: 2, open: '1h', max_open: '1h'}},
        {match: '127.0.0.1', rate_limit: '6000/min', retry_budget: '20%', concurrency: 7}]});
    const ask = async (accept) => {
        const answer = await request(own, 'GET', '/v1/upstreams', {headers: accept ? {Accept: accept} : {}});
        return {...answer, value: assertDocumented('GET', '/v1/upstreams', answer)};
    };
    assert.deepEqual((await ask()).value, {data: [], total: 0});
    await results({items: [{url: upstream.url('/json')}]}, own);
    const failed = await results({items: Array(9).fill({url: dead}), options: {concurrency: 1}}, own);
    assert.deepEqual(failed.map(({error}) => error.code), ['connect_failed', 'connect_failed', ...Array(7).fill('circuit_open')]);
    assert.deepEqual([failed[8].error.retryable, failed[8].error.sent, failed[8].attempts], [true, false, 0]);
    const {data, total} = (await ask()).value;
    assert.deepEqual([total, ...data.map(({origin, state}) => `${origin} ${state}`)], [2, `${dead} open`, `${upstream.origin} closed`]);
    assert.deepEqual(data[1].limits, {concurrency: 7, rate_limit: '100/s', retry_budget: '20%', breaker: false});
    assert.match((await ask('text/plain')).value, /^STATE .*\nopen .*\nclosed .*\n$/);
    assertProblem(await ask('text/html'), 406, 'not_acceptable');
    await own.stop();
});

// What the schema refuses the server refuses, and the other way round. `good` is merged into an item that would run.
const goodItems = [{method: 'PATCH'}, {query: {a: [1, 'b', false], c: 1.5}}, {query: {}}, {headers: {'X-A': ['1', '2']}},
    {headers: {'X-A': null}}, {body: null}, {body_text: ''}, {body_base64: ''}, {id: 'x'}, {id: -3}, {timeout_ms: 1e6},
    {max_redirects: 10}, {retry: {}}, {retry: {max_attempts: 10, retry_on: []}}];
const badItems = [{method: 'get'}, {method: 'TRACE'}, {query: {a: null}}, {query: {a: [[1]]}}, {query: {a: {}}}, {query: []},
    {headers: {'X A': '1'}}, {headers: {'X-A': 1}}, {headers: {'X-A': [null]}}, {headers: 'X-A: 1'}, {body: 1, body_text: '1'},
    {body_text: '1', body_base64: 'MQ=='}, {body_text: 1}, {body_base64: '*'}, {id: ''}, {id: 1.5}, {id: null},
    {id: 'x'.repeat(257)}, {timeout_ms: 0}, {timeout_ms: '5'}, {timeout_ms: 1.5}, {max_redirects: 11}, {max_redirects: -1},
    {retry: {max_attempts: 0}}, {retry: {max_attempts: 11}}, {retry: {retry_on: [99]}}, {retry: {retry_on: [600]}},
    {retry: {attempts: 1}}, {retry: 3}, {unknown: 1}, {url: 5}, {concurrency: 3}];
const goodOptions = [{concurrency: 1e6}, {batch_timeout_ms: 1e9}, {rate_limit: '3500/min'}, {include_body: 'none'}, {strict: true},
    {order: 'input', label: 'x'}, {retry: {backoff_ms: 1}}];
const badOptions = [{concurrency: 0}, {concurrency: '3'}, {batch_timeout_ms: 0}, {rate_limit: '5/day'}, {rate_limit: 5},
    {rate_limit: '1.5/s'}, {rate_limit: '0/s'}, {rate_limit: '12345678901/s'},
    {include_body: 'some'}, {stop_on_error: 'yes'}, {order: 'random'}, {label: 1}, {timeout_ms: 5}, {retry: {max_attempts: 'x'}}];
const badBatches = [{}, {items: {}}, {items: [], more: 1}, {items: [], defaults: []}, {items: [], defaults: {id: 1}},
    {items: [], options: null}, {items: [], defaults: {headers: {'X-A': null}}}, [], 'text'];

test('the schema of an item and the server agree', async () => {
    const run = (fields) => ({items: [{url: upstream.url('/echo'), ...fields}]});
    for (const fields of goodItems) {
        assert.equal(check(schema('BatchRequest'), run(fields)), null, JSON.stringify(fields));
        const [result] = await results(run(fields));
        assert.equal(result.success, true, JSON.stringify([fields, result]));
    }
    for (const fields of badItems) {
        assert.notEqual(check(schema('BatchRequest'), run(fields)), null, JSON.stringify(fields));
        const [result] = await results(run(fields));
        assert.equal(result.error?.code, 'invalid_item', JSON.stringify([fields, result]));
        const strict = await postBatch(server, {...run(fields), options: {strict: true}});
        assert.match(assertProblem(strict, 400, 'invalid_request').errors[0].pointer, /^\/items\/0/);
    }
});

test('the schema of a batch and the server agree', async () => {
    const run = (options) => ({items: [{url: upstream.url('/echo')}], options});
    for (const options of goodOptions) {
        assert.equal(check(schema('BatchRequest'), run(options)), null, JSON.stringify(options));
        assert.equal((await results(run(options)))[0].success, true, JSON.stringify(options));
    }
    for (const batch of [...badOptions.map(run), ...badBatches]) {
        assert.notEqual(check(schema('BatchRequest'), batch), null, JSON.stringify(batch));
        const problem = assertProblem(await postBatch(server, JSON.stringify(batch)), 400, 'invalid_request');
        assert.ok(problem.errors.length > 0, JSON.stringify(problem));
    }
});

test('each way the request itself can be refused', async () => {
    const syntax = assertProblem(await postBatch(server, '{"items": [\n  {"url": }]}'), 400, 'invalid_json');
    assert.deepEqual([syntax.errors[0].line, syntax.errors[0].column], [2, 11]);
    assertProblem(await postBatch(server, ''), 400, 'invalid_json');
    assertProblem(await postBatch(server, {items: [{id: 'a'}, {id: 'a'}]}), 400, 'duplicate_id');
    assertProblem(await postBatch(server, {items: []}, {'Idempotency-Key': 'k'}), 400, 'idempotency_needs_job');
    assertProblem(await postBatch(server, {items: []}, {Accept: 'text/html'}), 406, 'not_acceptable');
    assertProblem(await postBatch(server, {items: []}, {'Content-Type': 'text/csv'}), 415, 'unsupported_media_type');
    assertProblem(await postBatch(server, {items: []}, {'Content-Encoding': 'gzip'}), 415, 'unsupported_media_type');
    assertProblem(await postBatch(server, ' '.repeat(70_000)), 413, 'body_too_large');
    assertProblem(await postBatch(server, {items: Array(201).fill({})}), 413, 'too_many_items');
    assertProblem(await postBatch(server, {items: Array(101).fill({url: upstream.url('/json')})}), 413, 'too_many_items');
    assertProblem(await request(server, 'GET', '/no/such/path'), 404, 'not_found');
});

test('bytes that are not HTTP as it should be', async () => {
    const post = 'POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const cases = [
        [400, 'bad_request', `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
        [400, 'bad_request', `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
        [501, 'not_implemented', `${post}Transfer-Encoding: gzip\r\n\r\n`],
        [417, 'expectation_failed', `${post}Content-Length: 2\r\nExpect: a-miracle\r\n\r\n{}`],
    ];
    for (const [status, code, bytes] of cases) {
        const answer = await raw(server, bytes);
        if (status === 501 && refusesCodings) {
            assert.deepEqual([answer.status, answer.headers['x-request-id']], [400, undefined]);
            continue;
        }
        assertProblem(answer, status, code);
        assertDocumented('POST', '/v1/batch', answer);
    }
});

test('keys: 401 without one, 403 with one that may not', async () => {
    const plain = makeKey(), admin = makeKey();
    const guarded = await startServer({auth: {keys: [
        {name: 'plain', sha256: [plain.sha256]}, {name: 'admin', sha256: [admin.sha256], admin: true, ad_hoc: false}]}});
    const bearer = ({key}) => ({Authorization: `Bearer ${key}`});
    const get = async (route, headers) => {
        const answer = await request(guarded, 'GET', route, {headers});
        return {...answer, value: assertDocumented('GET', route, answer)};
    };
    assertProblem(await postBatch(guarded, {items: []}), 401, 'unauthorized');
    assertProblem(await postBatch(guarded, {items: []}, bearer({key: 'wrong'})), 401, 'unauthorized');
    assertProblem(await postBatch(guarded, {items: []}, bearer(admin)), 403, 'forbidden');
    for (const route of ['/metrics', '/v1/upstreams']) {
        assertProblem(await get(route, {}), 401, 'unauthorized');
        assertProblem(await get(route, bearer(plain)), 403, 'forbidden');
        assert.equal((await get(route, bearer(admin))).status, 200);
    }
    assert.equal((await postBatch(guarded, {items: []}, bearer(plain))).status, 200);
    // Counted when the last of the answer has been written, which its client may see a moment earlier.
    const counted = /^batchgate_batches_total\{endpoint="",status="(200|401|403)"\} (\d+)$/mg;
    const want = ['200 1', '401 2', '403 1'];
    let found, end = Date.now() + 30_000;
    do {
        found = [...(await get('/metrics', bearer(admin))).value.matchAll(counted)].map(([, status, count]) => `${status} ${count}`).sort();
    } while (found.join() !== want.join() && Date.now() < end);
    assert.deepEqual(found, want);
    await guarded.stop();
});

test('targets.ad_hoc: false leaves no ad-hoc batches', async () => {
    const closed = await startServer({targets: {ad_hoc: false}});
    const problem = assertProblem(await postBatch(closed, {items: []}), 404, 'not_found');
    assert.match(problem.detail, /ad_hoc/);
    await closed.stop();
});

test('a budget that is used up answers 503', async () => {
    const small = await startServer({limits: {memory: '1MiB'}, server: {drain_timeout: '100ms'}});
    const batch = {items: [{method: 'POST', url: upstream.url('/never'), body_text: 'x'.repeat(700_000)}]};
    const arrived = upstream.hangs();
    const running = postBatch(small, batch);
    await arrived;
    assertProblem(await postBatch(small, batch), 503, 'memory_full');
    await small.stop();
    assert.equal((await running).value.results[0].error.code, 'cancelled');
});

test('a queue that is full answers 503', async () => {
    const full = await startServer({pool: {queue_limit: 2, max_in_flight: 1}, server: {drain_timeout: '100ms'}});
    const batch = {items: Array(2).fill({url: upstream.url('/never')})};
    const arrived = upstream.hangs();
    const running = postBatch(full, batch);
    await arrived;
    assertProblem(await postBatch(full, batch), 503, 'queue_full');
    await full.stop();
    assert.equal((await running).value.results[0].error.code, 'cancelled');
});

test('draining: health and refusals first, then the complete answer of what was cut off', async () => {
    const leaving = await startServer({server: {drain_timeout: '2s'}});
    const arrived = upstream.hangs();
    const running = postBatch(leaving, {items: [{url: upstream.url('/never')}, {url: upstream.url('/json')}]});
    await arrived;
    leaving.child.kill('SIGTERM');
    // Connections that were refused meanwhile would fail the test: the listener stays open.
    let ready;
    do ready = await request(leaving, 'GET', '/readyz'); while (ready.status === 200);
    assertDocumented('GET', '/readyz', ready);
    assertProblem(ready, 503, 'draining');
    assert.equal((await request(leaving, 'GET', '/healthz')).status, 200);
    assertProblem(await postBatch(leaving, {items: []}), 503, 'draining');
    for (const route of ['/metrics', '/v1/upstreams', '/version', '/openapi.yaml']) {
        const answer = await request(leaving, 'GET', route);
        assertProblem(answer, 503, 'draining');
        assertDocumented('GET', route, answer);
    }
    const {status, value} = await running;
    assert.equal(status, 200);
    assert.deepEqual([value.results[0].error.code, value.results[0].error.reason], ['cancelled', 'drain']);
    assert.equal(value.results[1].success, true);
    await leaving.ended();
});

test('every documented answer really came, but for those that only a bug or a broken message gives', () => {
    const expected = ours.flatMap(({operation}) => Object.keys(operation.responses)
        .filter((status) => !['500', 'default'].includes(status)).map((status) => `${operation.operationId} ${status}`));
    assert.deepEqual(expected.filter((name) => !seen.has(name)), []);
    assert.equal(seen.has('postBatch default'), !refusesCodings, 'a 501 came');
    // What no request to a sound server on loopback can bring about, what test_endpoints.mjs sees, and what belongs to jobs.
    const rest = {
        items: ['dns_failed', 'transform_failed', 'overloaded', 'internal'],
        problems: ['internal', 'rate_limited', 'idempotency_in_progress', 'idempotency_mismatch', 'job_finished',
            ...(refusesCodings ? ['not_implemented'] : [])],
    };
    const {ItemErrorCode, Problem} = openapi.components.schemas;
    const missing = (codes, came) => codes.filter((code) => !came.has(code)).sort();
    assert.deepEqual(missing(ItemErrorCode.enum, itemCodes), rest.items.sort());
    assert.deepEqual(missing(Problem.properties.code.enum, problemCodes), rest.problems.sort());
});
