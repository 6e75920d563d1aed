// server.mjs - starts the real server for tests that are written in JavaScript, and judges how it ended.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import {fileURLToPath} from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
export const source = process.env.BATCHGATE_SOURCE || path.join(here, '..', '..');
export const binary = path.resolve(
    process.argv[2] || process.env.BATCHGATE_BIN || path.join(source, 'build', 'dev', 'batchgate'));
export const HOST = '127.0.0.1';
const STARTED_WITHIN_MS = 60_000;

// What a failed test left behind must not keep this process from ending.
const running = new Set();
export function endAll() {
    for (const child of running) child.kill('SIGKILL');
}

// The real server on a free port. `config` is merged over what each test needs; JSON is YAML.
export async function startServer(config = {}) {
    const folder = mkdtempSync(path.join(tmpdir(), 'batchgate-test-'));
    const file = path.join(folder, 'batchgate.yaml');
    writeFileSync(file, JSON.stringify({
        ...config,
        server: {host: HOST, port: 0, ...config.server},
        targets: {allow_private: true, ...config.targets},
    }));
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BATCHGATE_')));
    const child = spawn(binary, ['serve', '--config', file], {stdio: ['ignore', 'ignore', 'pipe'], env});
    const ended = new Promise((give) => child.on('close', (code, signal) => give({code, signal})));
    running.add(child);
    ended.then(() => running.delete(child));
    const server = {child, lines: [], port: 0};

    const listening = new Promise((give, fail) => {
        const timer = setTimeout(() => fail(new Error('the server does not listen')), STARTED_WITHIN_MS);
        readline.createInterface({input: child.stderr}).on('line', (line) => {
            server.lines.push(line);
            if (!line.includes('"listening"')) return;
            clearTimeout(timer);
            server.port = JSON.parse(line).port;
            give();
        });
        child.on('error', fail);
        ended.then(() => fail(new Error('the server ended:\n' + server.lines.join('\n'))), fail);
    });
    // Resolves once the server has ended by itself: exit code 0 and nothing on stderr but log lines.
    server.ended = async () => {
        const {code, signal} = await ended;
        rmSync(folder, {recursive: true, force: true});
        for (const line of server.lines) assert.doesNotThrow(() => JSON.parse(line), `not a log line: ${line}`);
        assert.deepEqual({code, signal}, {code: 0, signal: null});
    };
    server.stop = () => {
        child.kill('SIGTERM');
        return server.ended();
    };
    await listening;
    return server;
}
