// lib.mjs - what the tests stand on: the document, a validator of real answers, the real server, an upstream.
import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {readFileSync} from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import YAML from 'yaml';
import {HOST, binary, endAll, source, startServer} from '../harness/server.mjs';

export {binary, endAll, source, startServer};
export const readSource = (name) => readFileSync(path.join(source, name), 'utf8');
export const documentText = readSource('openapi.yaml');
export const openapi = YAML.parse(documentText);

// The document's own schemas, compiled where they stand; strict about words that mean nothing.
const ajv = new Ajv({strict: true, strictTypes: false, strictRequired: false, allErrors: true});
addFormats(ajv);
ajv.addVocabulary(Object.keys(openapi)); // the root is no schema, but the schemas' references go through it
ajv.addSchema(openapi, 'openapi');
const compiled = new Map();
const escapePointer = (name) => name.replace(/~/g, '~0').replace(/\//g, '~1');
const pointerOf = (...names) => '#/' + names.map((name) => encodeURIComponent(escapePointer(name))).join('/');

export function check(pointer, value) {
    if (!compiled.has(pointer)) compiled.set(pointer, ajv.compile({$ref: 'openapi' + pointer}));
    const validate = compiled.get(pointer);
    return validate(value) ? null : ajv.errorsText(validate.errors, {separator: '\n'});
}

export function assertValid(pointer, value) {
    const faults = check(pointer, value);
    assert.equal(faults, null, `${pointer}:\n${faults}\n${JSON.stringify(value).slice(0, 2000)}`);
}

export const schema = (name) => pointerOf('components', 'schemas', name);

// Follows a $ref; gives the object and where it stands.
function resolve(...names) {
    const object = names.reduce((at, name) => at[name], openapi);
    if (!object.$ref) return {object, names};
    return resolve(...object.$ref.slice(2).split('/').map((name) => name.replace(/~1/g, '/').replace(/~0/g, '~')));
}

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'options', 'head', 'trace'];
export function* operations() {
    for (const [route, methods] of Object.entries(openapi.paths))
        for (const [method, operation] of Object.entries(methods))
            if (METHODS.includes(method)) yield {route, method, operation};
}
// Those of named endpoints have a test file of their own, the reference at /docs too, the others theirs.
export const isNamed = ({operation}) => operation.tags.includes('endpoints');
export const isDocs = ({route}) => route.startsWith('/docs');

export const seen = new Set(); // "postBatch 200": the documented responses that really came

function assertHeaders(at, headers) {
    for (const name of Object.keys(at.object.headers ?? {})) {
        const header = resolve(...at.names, 'headers', name);
        const text = headers[name.toLowerCase()];
        if (header.object.required) assert.notEqual(text, undefined, `no ${name}`);
        if (text === undefined) continue;
        const value = header.object.schema.type === 'integer' ? Number(text) : text;
        assertValid(pointerOf(...header.names, 'schema'), value);
    }
}

// Is this answer one that the document allows for this operation?
export function assertDocumented(method, route, answer) {
    const {responses, operationId} = openapi.paths[route][method.toLowerCase()];
    const status = responses[answer.status] ? String(answer.status) : 'default';
    const at = resolve('paths', route, method.toLowerCase(), 'responses', status);
    const type = (answer.headers['content-type'] ?? '').split(';')[0].trim();
    assertHeaders(at, answer.headers);
    if (!at.object.content) {
        assert.deepEqual([type, answer.body], ['', '']);
        seen.add(`${operationId} ${status}`);
        return null;
    }
    assert.ok(at.object.content[type], `${operationId} ${answer.status} as ${type} is not documented`);
    const value = /[/+]json$/.test(type) ? JSON.parse(answer.body) : answer.body;
    assertValid(pointerOf(...at.names, 'content', type, 'schema'), value);
    if (value.request_id) assert.equal(value.request_id, answer.headers['x-request-id']);
    if (type === 'application/problem+json') assert.equal(value.status, answer.status);
    seen.add(`${operationId} ${status}`);
    return value;
}

// One request, without any help: no redirects, no kept connection, headers as given.
export function request(server, method, target, {headers = {}, body} = {}) {
    return new Promise((give, fail) => {
        const sent = http.request({host: HOST, port: server.port, method, path: target, headers, agent: false}, (answer) => {
            const parts = [];
            answer.on('data', (part) => parts.push(part));
            answer.on('error', fail);
            answer.on('end', () => give({
                status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString('utf8')}));
        });
        sent.on('error', fail);
        sent.end(body);
    });
}

// Bytes as they stand, for requests that no client library would send.
export function raw(server, text) {
    return new Promise((give, fail) => {
        const socket = net.connect(server.port, HOST, () => socket.write(text));
        let got = '';
        socket.setEncoding('latin1');
        socket.on('data', (part) => { got += part; });
        socket.on('error', fail);
        socket.on('close', () => {
            const [head, ...rest] = got.split('\r\n\r\n');
            const [line, ...fields] = head.split('\r\n');
            const headers = Object.fromEntries(fields.map((field) => {
                const colon = field.indexOf(':');
                return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
            }));
            give({status: Number(line.split(' ')[1]), headers, body: rest.join('\r\n\r\n')});
        });
    });
}

async function post(server, route, target, batch, headers) {
    const body = typeof batch === 'string' ? batch : JSON.stringify(batch);
    const answer = await request(server, 'POST', target, {
        headers: {'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...headers}, body});
    return {...answer, value: assertDocumented('POST', route, answer)};
}

export const postBatch = (server, batch, headers = {}) => post(server, '/v1/batch', '/v1/batch', batch, headers);
export const postNamed = (server, name, batch, headers = {}) =>
    post(server, '/v1/batch/{name}', `/v1/batch/${name}`, batch, headers);

// A problem of this status and code, as the document has problems.
export function assertProblem(answer, status, code) {
    const value = answer.value ?? JSON.parse(answer.body);
    assertValid(schema('Problem'), value);
    assert.deepEqual([answer.status, value.status, value.code], [status, status, code], JSON.stringify(value));
    return value;
}

// Does the path know exactly the documented methods?
export async function assertMethods(server, route, target) {
    const methods = Object.keys(openapi.paths[route]).filter((method) => METHODS.includes(method));
    const known = methods.map((method) => method.toUpperCase());
    if (known.includes('GET')) known.push('HEAD');
    known.push('OPTIONS');
    const options = await request(server, 'OPTIONS', target);
    assert.equal(options.status, 204, route);
    assert.deepEqual(options.headers.allow.split(/, */).sort(), known.sort(), route);
    const other = await request(server, 'DELETE', target);
    assertProblem(other, 405, 'method_not_allowed');
    assert.deepEqual(other.headers.allow.split(/, */).sort(), known);
    assertDocumented(methods[0], route, other);
}

// A GET as documented, and HEAD the same without a body.
export async function assertGet(server, route, target) {
    const answer = await request(server, 'GET', target);
    assert.equal(answer.status, 200, target);
    const value = assertDocumented('GET', route, answer);
    const head = await request(server, 'HEAD', target);
    assert.deepEqual([head.status, head.body, head.headers['content-type']], [200, '', answer.headers['content-type']]);
    return value;
}

export const linesOf = (ndjson) => ndjson.trimEnd().split('\n').map((line) => JSON.parse(line));
export const eventsOf = (sse) => sse.split('\n\n').slice(0, -1).map((event) =>
    Object.fromEntries(event.split('\n').map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 2)])));

export function makeKey() {
    const key = randomBytes(24).toString('base64url');
    return {key, sha256: createHash('sha256').update(key).digest('hex')};
}

const big = Buffer.alloc(300_000, 'x');
const upstreamRoutes = {
    '/json': (answer) => answer.setHeader('Content-Type', 'application/json').end('{"n": 12345678901234567890, "a": [1e400]}'),
    '/null': (answer) => answer.setHeader('Content-Type', 'application/json').end('null'),
    '/badjson': (answer) => answer.setHeader('Content-Type', 'application/json').end('{"a": nope}'),
    '/text': (answer) => answer.setHeader('Content-Type', 'text/plain').end('gr\u00fc\u00df dich'),
    '/bin': (answer) => answer.end(Buffer.from([0, 1, 2, 0xff])),
    '/empty': (answer) => answer.writeHead(204).end(),
    '/cookies': (answer) => answer.writeHead(200, [['Set-Cookie', 'a=1'], ['Set-Cookie', 'b=2']].flat()).end('ok'),
    '/busy': (answer) => answer.writeHead(503, {'Retry-After': '0'}).end('busy'),
    '/gone': (answer) => answer.writeHead(410).end(),
    '/moved': (answer) => answer.writeHead(302, {Location: '/json'}).end(),
    '/loop': (answer) => answer.writeHead(302, {Location: '/loop'}).end(),
    '/big': (answer) => answer.end(big),
    '/close': (answer) => answer.socket.destroy(),
    '/garbage': (answer) => answer.socket.end('this is not HTTP\r\n\r\n'),
    '/cut': (answer) => answer.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort'),
    '/never': () => undefined,
    '/refused': (answer) => answer.writeHead(422, {'Content-Type': 'application/json'}).end('{"why": "not this one"}'),
    '/longrefused': (answer) => answer.writeHead(422).end('x' + '\u00fc'.repeat(3000)),
    '/binrefused': (answer) => answer.writeHead(422).end(Buffer.alloc(5000, 0xff)),
};

// A peer on loopback: known paths as above, all others 200 with what was asked.
export async function startUpstream() {
    const waiting = [];
    const peer = http.createServer((asked, answer) => {
        const parts = [];
        asked.on('data', (part) => parts.push(part));
        asked.on('end', () => {
            const route = upstreamRoutes[new URL(asked.url, 'http://x').pathname];
            if (route === upstreamRoutes['/never']) for (const tell of waiting.splice(0)) tell();
            if (route) return route(answer);
            const echo = {method: asked.method, url: asked.url, headers: asked.headers,
                body: Buffer.concat(parts).toString('base64')};
            answer.setHeader('Content-Type', 'application/json').end(JSON.stringify(echo));
        });
    });
    await new Promise((give) => peer.listen(0, HOST, give));
    const origin = `http://${HOST}:${peer.address().port}`;
    return {
        origin,
        url: (route) => origin + route,
        hangs: () => new Promise((give) => waiting.push(give)), // resolves when a call to /never has arrived
        stop: () => new Promise((give) => { peer.close(give); peer.closeAllConnections(); }),
    };
}

// A port of loopback that nobody listens on.
export async function closedPort() {
    const peer = net.createServer();
    await new Promise((give) => peer.listen(0, HOST, give));
    const {port} = peer.address();
    await new Promise((give) => peer.close(give));
    return port;
}
