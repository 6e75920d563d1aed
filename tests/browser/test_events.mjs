// ctest: cost=20
// test_events.mjs - server-sent events and NDJSON as a program in JavaScript reads them: fetch, and a parser from npm.
import assert from 'node:assert/strict';
import test, {after, before, beforeEach} from 'node:test';
import {createParser} from 'eventsource-parser';
import {HOST, endAll, startServer} from '../harness/server.mjs';
import {metric, startUpstream, until} from './lib.mjs';

const PROGRESS = ['completed', 'elapsed_ms', 'eta_ms', 'failed', 'items_per_second', 'succeeded', 'total'];
const SILENCE_MS = 15_000;
let server, upstream;

before(async () => {
    upstream = await startUpstream();
    server = await startServer();
});
beforeEach(() => upstream.reset());
after(async () => {
    try {
        await server.stop();
        await upstream.stop();
    } finally {
        endAll();
    }
});

const post = (batch, accept, options = {}) => fetch(`http://${HOST}:${server.port}/v1/batch`, {
    method: 'POST', body: JSON.stringify(batch), headers: {'Content-Type': 'application/json', Accept: accept}, ...options});

// What the stream says while it says it: events and comments, each with the time it came at.
async function listenTo(batch) {
    const answer = await post(batch, 'text/event-stream');
    assert.equal(answer.status, 200);
    const heard = {answer, events: [], comments: [], over: false};
    const parser = createParser({
        onEvent: ({event, id, data}) => heard.events.push({event, id, value: JSON.parse(data), at: performance.now()}),
        onComment: (text) => heard.comments.push({text, at: performance.now()}),
        onRetry: (ms) => assert.fail(`retry: ${ms}`),
        onError: (error) => { throw error; },
    });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    heard.done = (async () => {
        for (;;) {
            const {done, value} = await reader.read();
            if (done) break;
            parser.feed(value);
        }
        heard.over = true;
        return heard;
    })();
    heard.done.catch(() => undefined); // told to whoever waits for it
    heard.named = (name) => heard.events.filter(({event}) => event === name);
    return heard;
}

function assertWhole(heard, count) {
    assert.deepEqual([...new Set(heard.events.map(({event}) => event))].filter((name) => !['result', 'progress', 'summary'].includes(name)), []);
    const results = heard.named('result');
    assert.deepEqual(results.map(({value}) => value.index).sort((a, b) => a - b), Array.from({length: count}, (_, n) => n));
    assert.deepEqual(results.map(({id}) => id), results.map((_, n) => String(n + 1)));
    assert.equal(heard.named('summary').length, 1);
    const {event, value} = heard.events.at(-1);
    assert.equal(event, 'summary');
    assert.equal(value.total, count);
    assert.equal(value.succeeded, results.filter((result) => result.value.success).length);
    assert.equal(value.request_id, heard.answer.headers.get('x-request-id'));
}

test('each result is an event as it completes, the summary the last', async () => {
    const heard = await listenTo({items: [0, 1, 2].map((n) => ({id: `n${n}`, url: upstream.url(`/gate/${n}`)}))});
    for (const [count, n] of [[1, 2], [2, 0], [3, 1]]) {
        assert.equal(heard.named('result').length, count - 1);
        upstream.open(n);
        await until(`result ${n}`, () => heard.named('result').length >= count);
        const {id, value} = heard.named('result').at(-1);
        assert.deepEqual([id, value.index, value.id, value.body], [String(count), n, `n${n}`, {name: String(n)}]);
        if (count < 3) assert.equal(heard.over, false);
    }
    await heard.done;
    assertWhole(heard, 3);
});

test('the fields of the answer', async () => {
    const {answer, done} = await listenTo({items: []});
    assert.match(answer.headers.get('content-type'), /^text\/event-stream(; ?charset=utf-8)?$/);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(answer.headers.get('x-accel-buffering'), 'no');
    assert.equal(answer.headers.get('content-length'), null);
    const heard = await done;
    assert.deepEqual(heard.named('result'), []);
    assertWhole(heard, 0);
});

test('progress is monotonic, and comes at most ten times a second', async () => {
    const items = Array.from({length: 300}, (_, n) => ({url: upstream.url(n % 10 === 9 ? '/status/500' : '/ms/15')}));
    const heard = await (await listenTo({items, options: {concurrency: 2}})).done;
    assertWhole(heard, 300);
    const progress = heard.named('progress').map(({value}) => value);
    assert.ok(progress.length >= 5, `${progress.length} progress events in ${heard.events.at(-1).value.duration_ms} ms`);
    const rising = ['completed', 'succeeded', 'failed', 'elapsed_ms'];
    let before = progress[0];
    for (const value of progress) {
        assert.deepEqual(Object.keys(value).sort(), PROGRESS);
        assert.equal(value.total, 300);
        assert.equal(value.completed, value.succeeded + value.failed);
        for (const name of rising) assert.ok(value[name] >= before[name], `${name} went back: ${JSON.stringify(value)}`);
        for (const name of ['eta_ms', 'items_per_second']) assert.ok(value[name] === null || value[name] >= 0, JSON.stringify(value));
        before = value;
    }
    const times = progress.map(({elapsed_ms}) => elapsed_ms);
    times.forEach((time, n) => assert.ok(n < 10 || time - times[n - 10] >= 999, `eleven in a second: ${times.slice(n - 10, n + 1)}`));
    assert.ok(progress.some(({eta_ms, items_per_second}) => eta_ms > 0 && items_per_second > 0), 'no rate and no estimate');
});

test('what hostile upstreams and ids say stays inside its event', async () => {
    const evil = 'x\n\nevent: summary\ndata: {}\r\rid: 7\u2028\u2029\u0085\0\uFEFF: c\n\n';
    const items = [
        {id: evil.slice(0, 60), method: 'POST', url: upstream.url('/echo?' + encodeURIComponent(evil)), body_text: evil},
        {id: 2, url: 'http://127.0.0.1/' + evil},
        {id: 3, url: upstream.url('/'), [evil]: 1},
    ];
    const heard = await (await listenTo({items, options: {include_headers: true}})).done;
    assertWhole(heard, 3);
    assert.deepEqual(new Set(heard.named('result').map(({value}) => value.id)), new Set([evil.slice(0, 60), 2, 3]));
});

test('five thousand events pass the parser', async () => {
    const items = Array.from({length: 5000}, (_, n) => n % 2 ? {id: n} : {id: n, url: 'ftp://x/'});
    assertWhole(await (await listenTo({items})).done, 5000);
    const some = Array.from({length: 500}, (_, n) => ({id: n, url: upstream.url('/')}));
    const heard = await (await listenTo({items: some, options: {order: 'input'}})).done;
    assertWhole(heard, 500);
    assert.deepEqual(heard.named('result').map(({value}) => value.id), some.map(({id}) => id));
});

test('a refusal is no stream', async () => {
    const answer = await post({items: 7}, 'text/event-stream');
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    assert.equal((await answer.json()).code, 'invalid_request');
});

test('aborting the fetch cancels what has not started', async () => {
    const stop = new AbortController();
    const items = Array.from({length: 100}, (_, n) => ({url: upstream.url(`/gate/${n}`)}));
    const answer = await post({items, options: {concurrency: 5}}, 'text/event-stream', {signal: stop.signal});
    await until('five calls', () => upstream.asked === 5);
    stop.abort();
    await assert.rejects(answer.text(), {name: 'AbortError'});
    await until('their ends', () => upstream.left === 5);
    await until('nothing in flight', async () => await metric(server, 'batchgate_in_flight') === 0 && await metric(server, 'batchgate_queued') === 0);
    assert.equal(upstream.asked, 5);
});

// All that takes fifteen seconds, at once.
test('silence is broken: a comment among events, a progress line in NDJSON', async () => {
    const items = ['quiet', 'late'].map((name) => ({id: name, url: upstream.url(`/gate/${name}`)}));
    const began = performance.now();
    const [heard, lines] = await Promise.all([listenTo({items}), (async () => {
        const answer = await post({items}, 'application/x-ndjson');
        const seen = {text: '', firstAt: null};
        seen.done = (async () => {
            const decoder = new TextDecoder();
            for await (const part of answer.body) {
                seen.firstAt ??= performance.now();
                seen.text += decoder.decode(part, {stream: true});
            }
        })();
        return seen;
    })()]);
    await until('both to speak', () => heard.comments.length > 0 && lines.firstAt !== null, SILENCE_MS * 2);
    const slack = 5000; // the machine's; the point is that proxies, which wait a minute, never see silence
    for (const at of [heard.comments[0].at, lines.firstAt]) {
        assert.ok(at - began >= SILENCE_MS - 200, `spoke after ${at - began} ms`);
        assert.ok(at - began <= SILENCE_MS + slack, `spoke after ${at - began} ms`);
    }
    assert.equal(heard.named('result').length, 0);
    const {progress, ...rest} = JSON.parse(lines.text.split('\n')[0]);
    assert.deepEqual(rest, {});
    assert.deepEqual(Object.keys(progress).sort(), PROGRESS);
    assert.deepEqual([progress.total, progress.completed, progress.eta_ms, progress.items_per_second], [2, 0, null, null]);
    upstream.open('quiet');
    upstream.open('late');
    await Promise.all([heard.done, lines.done]);
    assertWhole(heard, 2);
    const values = lines.text.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.equal(values.filter((value) => 'index' in value).length, 2);
    assert.equal(values.at(-1).summary.succeeded, 2);
});
