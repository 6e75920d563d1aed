// lib.mjs - what these tests stand on: an upstream whose answers the test lets go, and pages of a web origin.
import http from 'node:http';
import {HOST} from '../harness/server.mjs';

async function listen(handler) {
    const peer = http.createServer(handler);
    await new Promise((give) => peer.listen(0, HOST, give));
    return {
        origin: `http://${HOST}:${peer.address().port}`,
        stop: () => new Promise((give) => { peer.close(give); peer.closeAllConnections(); }),
    };
}

// Waits for a truth that comes by itself.
export async function until(what, check, withinMs = 60_000) {
    const end = Date.now() + withinMs;
    for (;;) {
        const value = await check();
        if (value) return value;
        if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
        await new Promise((give) => setTimeout(give, 10));
    }
}

// /gate/NAME waits until open(NAME); /ms/N answers after N ms; /status/N is an answer with that status; else what was asked.
export async function startUpstream() {
    const waiting = new Map(), opened = new Set();
    const upstream = {asked: 0, left: 0};
    const {origin, stop} = await listen((asked, answer) => {
        const [, kind, name] = decodeURIComponent(asked.url).split('/');
        const say = (status, value) => answer.writeHead(status, {'Content-Type': 'application/json'}).end(JSON.stringify(value));
        upstream.asked += 1;
        answer.on('close', () => { if (!answer.writableFinished) upstream.left += 1; });
        if (kind === 'gate' && opened.has(name)) say(200, {name});
        else if (kind === 'gate') waiting.set(name, [...(waiting.get(name) ?? []), () => say(200, {name})]);
        else if (kind === 'ms') setTimeout(() => say(200, {name}), Number(name));
        else say(kind === 'status' ? Number(name) : 200, {url: asked.url});
    });
    return Object.assign(upstream, {
        stop,
        url: (path) => origin + path,
        reset() {
            Object.assign(upstream, {asked: 0, left: 0});
            waiting.clear();
            opened.clear();
        },
        open(name) {
            opened.add(String(name));
            for (const go of waiting.get(String(name)) ?? []) go();
        },
    });
}

// A web origin of its own with this one page.
export const startPages = (html) => listen((asked, answer) => {
    answer.writeHead(200, {'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store'}).end(html);
});

// The value of one metric, over all its labels.
export async function metric(server, name) {
    const text = await (await fetch(`http://${HOST}:${server.port}/metrics`)).text();
    return [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'mg'))].reduce((sum, [, value]) => sum + Number(value), 0);
}
