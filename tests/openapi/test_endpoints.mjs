// test_endpoints.mjs - real answers about named endpoints, good and bad, against the schemas of openapi.yaml.
import assert from 'node:assert/strict';
import test, {after, before} from 'node:test';
import {
    assertDocumented, assertGet, assertMethods, assertProblem, assertValid, check, endAll, eventsOf, isNamed, linesOf, makeKey,
    openapi, operations, postBatch, postNamed, raw, request, schema, seen, startServer, startUpstream,
} from './lib.mjs';

const SECRET = 'sk-openapi-0123456789';
const named = [...operations()].filter(isNamed);
let upstream, server, all;

// Nothing but the endpoints' own origin is open here.
const closed = {public: false, allow_private: false, ad_hoc: false};

function endpoints(origin) {
    const at = (route, rest = {}) => ({url: origin + route, headers: {Authorization: `Bearer ${SECRET}`}, ...rest});
    const path = '{path: .item}';
    return {
        echo: at('/echo', {request: '{body: .item}', response: '{item, strategy: .params.strategy, id: .body.method}',
            description: 'Says it again', params: {strategy: {default: 'plain', enum: ['plain', 'stepback']}},
            concurrency: 5, rate_limit: '60000/min', retry: {max_attempts: 2}, idempotent: true, max_items: 150}),
        raw: at('', {request: path}),
        shown: at('', {request: path, response: 'error("no \\(.status)")'}),
        saved: at('', {request: path, response: '.body.n | tojson', fallback: '[.item, .error.code, .index]'}),
        unsaved: at('', {request: path, fallback: 'error("no")'}),
        hidden: at('', {request: path, expose_errors: false}),
        checked: at('/echo', {request: '{body: .item}', response: '.item',
            item_check: {test: '.item | type == "string"', message: 'an item must be a text'}}),
        params: at('/echo', {response: '.params', params: {
            s: {type: 'string', description: 'a text'}, i: {type: 'integer', enum: [1, 2]}, n: {type: 'number', default: 1.5},
            b: {type: 'boolean', default: true}, a: {type: 'array', default: [1, 'x']}, o: {type: 'object', default: {x: null}}}}),
        reflected: at('/echo', {request: '{body: .item}'}),
    };
}

before(async () => {
    upstream = await startUpstream();
    all = endpoints(upstream.origin);
    server = await startServer({
        limits: {max_body: '64KiB', max_items: 200, max_response: '128KiB'},
        pool: {queue_limit: 100},
        targets: closed,
        endpoints: all,
    });
});
after(async () => {
    try {
        await server.stop();
        await upstream.stop();
    } finally {
        endAll();
    }
});

async function results(name, items, rest = {}) {
    const {status, value} = await postNamed(server, name, {items, ...rest});
    assert.equal(status, 200, JSON.stringify(value));
    assert.deepEqual(value.results.map(({index}) => index), items.map((_, index) => index));
    return value.results;
}
const gets = [['/v1/endpoints', '/v1/endpoints'], ['/v1/endpoints/{name}', '/v1/endpoints/echo']]; // route, path
const errorOf = ({error}) => [error?.code, error?.reason ?? null, error?.sent];

test('the list and each entry of it are as documented, and hold no secret and no target', async () => {
    const {data} = await assertGet(server, '/v1/endpoints', '/v1/endpoints');
    assert.deepEqual(data.map(({name}) => name), Object.keys(all));
    for (const entry of data)
        assert.deepEqual(await assertGet(server, '/v1/endpoints/{name}', `/v1/endpoints/${entry.name}`), entry);
    for (const hidden of [SECRET, upstream.origin, 'Authorization', '.item', 'an item must be'])
        assert.ok(!JSON.stringify(data).includes(hidden), hidden);
    assert.deepEqual(data[0], {
        name: 'echo', description: 'Says it again', path: '/v1/batch/echo',
        params: {strategy: {type: 'string', required: false, enum: ['plain', 'stepback'], default: 'plain'}},
        limits: {concurrency: 5, rate_limit: '1000/s', max_items: 150, timeout_ms: 30000, max_attempts: 2},
        idempotent: true, fallback: false,
        example: {items: ['first item', 'second item'], params: {strategy: 'plain'}}});
    assert.deepEqual(data[1].limits, {concurrency: null, rate_limit: null, max_items: 200, timeout_ms: 30000, max_attempts: 1});
    const described = data.find(({name}) => name === 'params').params;
    assert.deepEqual([described.s, described.i, described.o], [{type: 'string', required: true, description: 'a text'},
        {type: 'integer', required: true, enum: [1, 2]}, {type: 'object', required: false, default: {x: null}}]);
});

test('the example of each description is a request that runs', async () => {
    const {data} = JSON.parse((await request(server, 'GET', '/v1/endpoints')).body);
    for (const {path, name, example} of data) {
        assertValid(schema('EndpointRequest'), example);
        assert.equal(path, `/v1/batch/${name}`);
        assert.equal((await postNamed(server, name, example)).status, 200, name);
    }
});

test('a server without endpoints has an empty list', async () => {
    const bare = await startServer();
    assert.deepEqual(await assertGet(bare, '/v1/endpoints', '/v1/endpoints'), {data: []});
    await bare.stop();
});

test('each path knows exactly the documented methods', async () => {
    for (const {route} of named) await assertMethods(server, route, route.replace('{name}', 'echo'));
});

test('the request examples of the document run', async () => {
    const {examples} = openapi.paths['/v1/batch/{name}'].post.requestBody.content['application/json'];
    for (const [name, {value}] of Object.entries(examples)) {
        assertValid(schema('EndpointRequest'), value);
        for (const result of await results('echo', value.items, {params: value.params ?? {}, options: value.options ?? {}}))
            assert.equal(result.success, true, `${name}: ${JSON.stringify(result)}`);
    }
});

test('each shape of the answer: lines, events and their data are as documented', async () => {
    const batch = {items: ['/json', '/longrefused', '../up'], options: {include_headers: true, include_timing: true}};
    const types = Object.keys(openapi.paths['/v1/batch/{name}'].post.responses['200'].content);
    assert.deepEqual(types, Object.keys(openapi.paths['/v1/batch'].post.responses['200'].content));
    const [, ndjson, sse, text] = await Promise.all(types.map(async (type) => {
        const answer = await postNamed(server, 'saved', batch, {Accept: type});
        assert.equal(answer.headers['content-type'].split(';')[0], type);
        return answer.body;
    }));
    const lines = linesOf(ndjson), events = eventsOf(sse);
    for (const line of lines) assertValid(schema('NamedStreamLine'), line);
    assert.deepEqual(lines.slice(0, -1).map(({index}) => index).sort(), [0, 1, 2]);
    assert.equal(lines.at(-1).summary.failed, 2);
    const kinds = {result: 'NamedResult', progress: 'Progress', summary: 'Summary'};
    for (const {event, data} of events) assertValid(schema(kinds[event]), JSON.parse(data));
    assert.deepEqual(events.filter(({event}) => event === 'result').map(({id}) => id), ['1', '2', '3']);
    assert.match(text, /\[OK\] #0 \(\d+\.\d\d s\)/);
});

test('ids come from the items, and may come twice', async () => {
    const ids = ['a', 'a', 7, -1, '', 1.5, null, ['a'], 'x'.repeat(257)];
    const found = (await results('echo', [...ids.map((id) => ({id})), 'a', 5])).map(({id}) => id);
    assert.deepEqual(found, ['a', 'a', 7, -1, null, null, null, null, null, null, null]);
});

test('without a response the result is the body: JSON, text, base64, nothing', async () => {
    const got = await results('raw', ['/null', '/text', '/badjson', '/bin', '/empty']);
    assert.deepEqual(got.map(({result}) => result), [null, 'gr\u00fc\u00df dich', '{"a": nope}', 'AAEC/w==', null]);
    for (const result of got) assert.deepEqual([result.success, 'body' in result], [true, false]);
});

test('failed items: the body and its encoding, cut at 4 KiB, or nothing of it', async () => {
    const routes = ['/refused', '/longrefused', '/binrefused', '/gone', '/json'];
    const [json, long, binary, empty, answered] = await results('shown', routes);
    assert.deepEqual([json.body, json.body_encoding, 'body_truncated' in json], [{why: 'not this one'}, 'json', false]);
    assert.deepEqual([long.body, long.body_encoding, long.body_truncated], ['x' + '\u00fc'.repeat(2047), 'text', true]);
    assert.deepEqual([binary.body_encoding, binary.body_truncated], ['base64', true]);
    assert.equal(Buffer.from(binary.body, 'base64').length, 4096);
    assert.deepEqual([empty.body, empty.body_encoding, empty.status], [null, null, 410]);
    assert.deepEqual([errorOf(answered), answered.status], [['transform_failed', 'response', true], 200]);
    assert.match(answered.error.message, /no 200/);
    const [hidden] = await results('hidden', ['/refused'], {options: {include_headers: true}});
    assert.deepEqual([hidden.status, hidden.error.code], [422, 'upstream_status']);
    for (const name of ['body', 'body_encoding', 'headers']) assert.ok(!(name in hidden), name);
});

test('what a fallback gives is the result of a failed item, and a fallback that fails gives none', async () => {
    const [fine, ...failed] = await results('saved', ['/json', '/gone', '/close', '../x']);
    assert.deepEqual([fine.success, fine.fallback_used, typeof fine.result], [true, false, 'string']);
    const codes = ['upstream_status', 'upstream_protocol', 'transform_failed'];
    failed.forEach((result, i) => assert.deepEqual([result.success, result.fallback_used, result.result, result.error.code],
        [false, true, [['/gone', '/close', '../x'][i], codes[i], i + 1], codes[i]]));
    const [unsaved] = await results('unsaved', ['/gone']);
    assert.deepEqual([unsaved.result, unsaved.fallback_used, unsaved.error.code], [null, false, 'upstream_status']);
});

test('items that cannot be sent fail alone', async () => {
    const [good, number] = await results('checked', ['a', 5]);
    assert.deepEqual([good.result, errorOf(number), number.error.message, number.attempts],
        ['a', ['invalid_item', 'field_invalid', false], 'an item must be a text', 0]);
    const [up, good2, object] = await results('raw', ['/../up', ['text'], {}]);
    assert.deepEqual([errorOf(up), good2.success, errorOf(object)],
        [['transform_failed', 'request', false], true, ['transform_failed', 'request', false]]);
});

test('include_body governs result and body, include_headers and include_timing add theirs', async () => {
    const run = (include_body) => results('saved', ['/json', '/refused'], {options: {include_body}});
    const [json, refused] = await run('all');
    const without = {body: null, body_encoding: null, result: null};
    const timeless = (list) => list.map(({duration_ms, ...rest}) => rest);
    assert.deepEqual(timeless(await run('failed')), timeless([{...json, result: null}, refused]));
    assert.deepEqual(timeless(await run('none')), timeless([{...json, result: null}, {...refused, ...without}]));
    const [full] = await results('raw', ['/cookies'], {options: {include_headers: true, include_timing: true}});
    assert.deepEqual(full.headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(full.timing.attempts.length, 1);
});

test('a secret that the upstream repeats is masked', async () => {
    const answer = await postNamed(server, 'reflected', {items: ['x']});
    assert.equal(answer.value.results[0].result.headers.authorization, '***');
    assert.ok(!answer.body.includes(SECRET));
});

// A document that allows everything would pass all of the above.
test('the schema of a result refuses what the server never says', async () => {
    const [fine, refused] = await results('saved', ['/json', '/longrefused']);
    const [failed] = await results('raw', ['/gone']);
    const wrong = [{...fine, body: null, body_encoding: null}, {...fine, fallback_used: true}, {...fine, error: refused.error},
        {...fine, status: 422}, {...fine, attempts: 0}, {...fine, url: 'x'}, {...refused, error: null}, {...refused, success: true},
        {...refused, body_encoding: 'json'}, {...refused, body_encoding: null}, {...refused, body_truncated: false},
        {...refused, fallback_used: false}, {...failed, result: 1}, {...failed, body_encoding: 'text'}];
    for (const name of ['index', 'id', 'success', 'result', 'fallback_used', 'status', 'error', 'attempts', 'duration_ms', 'body'])
        wrong.push(Object.fromEntries(Object.entries(refused).filter(([key]) => key !== name)));
    for (const result of [fine, refused, failed]) assert.equal(check(schema('NamedResult'), result), null);
    for (const result of wrong) assert.notEqual(check(schema('NamedResult'), result), null, JSON.stringify(result));
});

const goodBatches = [{items: []}, {items: [], params: {}}, {items: [], options: {}}, {items: [{url: 'x', body: 1}]},
    {items: [[], {}, 1]}];
const badBatches = [{}, {items: {}}, {items: [], defaults: {}}, {items: [], url: 'http://x/'}, {items: [], headers: {}},
    {items: [], more: 1}, {items: [], params: []}, {items: [], params: 'x'}, {items: [], options: null}, [], 'text'];
const goodOptions = [{concurrency: 1e6}, {timeout_ms: 1e9}, {retry: {max_attempts: 3, backoff_ms: 1}}, {batch_timeout_ms: 1e9},
    {rate_limit: '1000/s'}, {stop_on_error: true}, {strict: true}, {include_headers: true}, {include_timing: true},
    {include_body: 'none'}, {order: 'input', label: 'x'}];
const badOptions = [{concurrency: 0}, {timeout_ms: 0}, {timeout_ms: '5'}, {retry: 3}, {retry: {max_attempts: 11}},
    {retry: {tries: 1}}, {batch_timeout_ms: 0}, {rate_limit: '1.5/s'}, {include_body: 'some'}, {order: 'random'}, {strict: 1},
    {max_redirects: 1}, {url: 'http://x/'}, {headers: {}}, {method: 'GET'}, {params: {}}];

test('the schema of a request and the server agree', async () => {
    const run = (options) => ({items: ['x'], options});
    for (const batch of [...goodBatches, ...goodOptions.map(run)]) {
        assert.equal(check(schema('EndpointRequest'), batch), null, JSON.stringify(batch));
        const {status, value} = await postNamed(server, 'echo', batch);
        assert.equal(status, 200, JSON.stringify([batch, value]));
        for (const result of value.results) assert.equal(result.success, true, JSON.stringify([batch, result]));
    }
    for (const batch of [...badBatches, ...badOptions.map(run)]) {
        assert.notEqual(check(schema('EndpointRequest'), batch), null, JSON.stringify(batch));
        const problem = assertProblem(await postNamed(server, 'echo', JSON.stringify(batch)), 400, 'invalid_request');
        assert.ok(problem.errors.length > 0, JSON.stringify(problem));
    }
});

test('params are what the description says, and nothing else', async () => {
    const given = {s: 'x', i: 2}, filled = {s: 'x', i: 2, n: 1.5, b: true, a: [1, 'x'], o: {x: null}};
    const [plain] = await results('params', ['x'], {params: given});
    assert.deepEqual(plain.result, filled);
    const other = {s: '', i: 1, n: -2, b: false, a: [], o: {}};
    assert.deepEqual((await results('params', ['x'], {params: other}))[0].result, other);
    const wrong = {s: [1, null], i: ['1', 3, 1.5], n: ['1', true], b: ['true', 0], a: [{}, 'x'], o: [[], null], z: [1]};
    for (const [name, values] of Object.entries(wrong))
        for (const value of values) {
            const answer = await postNamed(server, 'params', {items: [], params: {...given, [name]: value}});
            const {errors} = assertProblem(answer, 400, 'invalid_request');
            assert.deepEqual(errors.map(({pointer}) => pointer), [`/params/${name}`], JSON.stringify(value));
        }
    const missing = assertProblem(await postNamed(server, 'params', {items: []}), 400, 'invalid_request');
    assert.deepEqual(missing.errors.map(({pointer}) => pointer), ['/params/s', '/params/i']);
});

test('each way the request itself can be refused', async () => {
    const {errors} = assertProblem(await postNamed(server, 'echo', '{"items": [\n  {"url": }]}'), 400, 'invalid_json');
    assert.deepEqual([errors[0].line, errors[0].column], [2, 11]);
    assertProblem(await postNamed(server, 'echo', {items: []}, {'Idempotency-Key': 'k'}), 400, 'idempotency_needs_job');
    assertProblem(await postNamed(server, 'nobody', {items: []}), 404, 'not_found');
    assertProblem(await postNamed(server, 'echo', {items: []}, {Accept: 'text/html'}), 406, 'not_acceptable');
    assertProblem(await postNamed(server, 'echo', {items: []}, {'Content-Type': 'text/csv'}), 415, 'unsupported_media_type');
    assertProblem(await postNamed(server, 'echo', ' '.repeat(70_000)), 413, 'body_too_large');
    assertProblem(await postNamed(server, 'echo', {items: Array(151).fill(1)}), 413, 'too_many_items');
    assertProblem(await postNamed(server, 'raw', {items: Array(201).fill(1)}), 413, 'too_many_items');
    assertProblem(await postNamed(server, 'raw', {items: Array(101).fill('/json')}), 413, 'too_many_items');
    assertProblem(await postBatch(server, {items: []}), 404, 'not_found');
    const missing = await request(server, 'GET', '/v1/endpoints/nobody');
    assertDocumented('GET', '/v1/endpoints/{name}', missing);
    assertProblem(missing, 404, 'not_found');
    for (const [route, target] of gets) {
        const answer = await request(server, 'GET', target, {headers: {Accept: 'text/html'}});
        assertDocumented('GET', route, answer);
        assertProblem(answer, 406, 'not_acceptable');
    }
    const expecting = await raw(server, 'POST /v1/batch/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' +
        'Content-Length: 2\r\nExpect: a-miracle\r\n\r\n{}');
    assertDocumented('POST', '/v1/batch/{name}', expecting);
    assertProblem(expecting, 417, 'expectation_failed');
});

test('keys: each sees and uses its own endpoints, ad_hoc or not', async () => {
    const one = makeKey(), any = makeKey();
    const guarded = await startServer({endpoints: {echo: all.echo, raw: all.raw}, auth: {keys: [
        {name: 'one', sha256: [one.sha256], ad_hoc: false, endpoints: ['echo']}, {name: 'any', sha256: [any.sha256]}]}});
    const bearer = ({key}) => ({Authorization: `Bearer ${key}`});
    const get = async (name, headers) => {
        const [route, target] = name ? ['/v1/endpoints/{name}', `/v1/endpoints/${name}`] : ['/v1/endpoints', '/v1/endpoints'];
        const answer = await request(guarded, 'GET', target, {headers});
        return {...answer, value: assertDocumented('GET', route, answer)};
    };
    assertProblem(await get('', {}), 401, 'unauthorized');
    assertProblem(await get('echo', {}), 401, 'unauthorized');
    assertProblem(await get('nobody', {}), 401, 'unauthorized');
    assertProblem(await postNamed(guarded, 'nobody', {items: []}), 401, 'unauthorized');
    assert.deepEqual((await get('', bearer(one))).value.data.map(({name}) => name), ['echo']);
    assert.deepEqual((await get('', bearer(any))).value.data.map(({name}) => name), ['echo', 'raw']);
    assertProblem(await get('raw', bearer(one)), 403, 'forbidden');
    assertProblem(await postNamed(guarded, 'raw', {items: []}, bearer(one)), 403, 'forbidden');
    assertProblem(await postNamed(guarded, 'nobody', {items: []}, bearer(one)), 404, 'not_found');
    assert.equal((await postNamed(guarded, 'echo', {items: []}, bearer(one))).status, 200);
    assert.equal((await postNamed(guarded, 'raw', {items: []}, bearer(any))).status, 200);
    await guarded.stop();
});

test('draining: refusals, and the complete answer of what was cut off', async () => {
    const leaving = await startServer({endpoints: {echo: all.echo, saved: all.saved}, server: {drain_timeout: '2s'}});
    const arrived = upstream.hangs();
    const running = postNamed(leaving, 'saved', {items: ['/never', '/json']});
    await arrived;
    leaving.child.kill('SIGTERM');
    let ready;
    do ready = await request(leaving, 'GET', '/readyz'); while (ready.status === 200);
    assertProblem(await postNamed(leaving, 'echo', {items: []}), 503, 'draining');
    for (const [route, target] of gets) {
        const answer = await request(leaving, 'GET', target);
        assertDocumented('GET', route, answer);
        assertProblem(answer, 503, 'draining');
    }
    const {status, value} = await running;
    assert.equal(status, 200);
    assert.deepEqual([value.results[0].error.code, value.results[0].error.reason], ['cancelled', 'drain']);
    assert.equal(value.results[1].success, true);
    await leaving.ended();
});

test('every documented answer really came, but for those that only a bug or a broken message gives', () => {
    const expected = named.flatMap(({operation}) => Object.keys(operation.responses)
        .filter((status) => !['500', 'default'].includes(status)).map((status) => `${operation.operationId} ${status}`));
    assert.deepEqual(expected.filter((name) => !seen.has(name)), []);
});
