// test_page.mjs - a page of another origin streams a batch with fetch, in headless Chromium.
import assert from 'node:assert/strict';
import {accessSync, constants, readFileSync} from 'node:fs';
import test, {after, before, beforeEach} from 'node:test';
import {chromium} from 'playwright-core';
import {HOST, endAll, startServer} from '../harness/server.mjs';
import {metric, startPages, startUpstream, until} from './lib.mjs';

const CHROMIUM = '/usr/bin/chromium';
let browser, server, upstream, listed, stranger;

before(async () => {
    accessSync(CHROMIUM, constants.X_OK); // apt-get install chromium
    const html = readFileSync(new URL('page.html', import.meta.url), 'utf8');
    [upstream, listed, stranger] = await Promise.all([startUpstream(), startPages(html), startPages(html)]);
    server = await startServer({server: {cors_origins: [listed.origin]}});
    // Nothing but loopback is there for it; in a container it has no sandbox of its own to make.
    browser = await chromium.launch({executablePath: CHROMIUM, chromiumSandbox: false, args: [
        '--no-proxy-server', `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${HOST}`, '--disable-dev-shm-usage']});
});
beforeEach(() => upstream.reset());
after(async () => {
    try {
        await browser?.close();
        await server?.stop();
        await Promise.all([upstream, listed, stranger].map((peer) => peer?.stop()));
    } finally {
        endAll();
    }
});

// A page of `pages` that has begun to run the batch.
async function open(pages, batch) {
    const page = await browser.newPage();
    const faults = [];
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(pages.origin);
    await page.evaluate(([origin, value]) => { runBatch(origin, value); }, [`http://${HOST}:${server.port}`, batch]);
    const text = (selector) => page.locator(selector).allInnerTexts();
    return {page, faults, state: async () => (await text('#state'))[0], results: () => text('#results li')};
}

const gates = (count) => Array.from({length: count}, (_, n) => ({id: `item ${n}`, url: upstream.url(`/gate/${n}`)}));
const idle = () => until('nothing in flight', async () =>
    await metric(server, 'batchgate_in_flight') === 0 && await metric(server, 'batchgate_queued') === 0);

test('a page of a listed origin shows each result as it comes', async () => {
    const {page, faults, state, results} = await open(listed, {items: [...gates(3), {id: 'bad'}]});
    const shown = ['bad: invalid_item'];
    await until('the first result', async () => (await results()).length === 1);
    for (const n of [1, 2, 0]) {
        assert.deepEqual(await results(), shown);
        assert.match(await state(), /^running [A-Za-z0-9._-]+$/); // the request's id passes CORS
        upstream.open(n);
        shown.push(`item ${n}: {"name":"${n}"}`);
        await until(`result ${n}`, async () => (await results()).length === shown.length);
    }
    await until('the end', async () => await state() === 'done: 3 of 4');
    assert.deepEqual(await results(), shown);
    assert.deepEqual(faults, []);
    await page.close();
});

test('a page of an origin that is not listed is refused by the browser', async () => {
    const {page, state, results} = await open(stranger, {items: gates(2)});
    await until('the refusal', async () => await state() === 'failed: TypeError');
    assert.deepEqual(await results(), []);
    assert.equal(upstream.asked, 0, 'no call was made for it');
    await page.close();
});

test('a page that stops, or is closed, cancels what has not started', async () => {
    for (const leave of [(page) => page.evaluate(() => window.stop()), (page) => page.close(), (page) => page.goto('about:blank')]) {
        upstream.reset();
        const {page, results} = await open(listed, {items: gates(50), options: {concurrency: 4}});
        await until('four calls', () => upstream.asked === 4);
        upstream.open(0);
        await until('one result', async () => (await results()).length === 1);
        await until('the fifth call', () => upstream.asked === 5);
        await leave(page);
        await idle();
        assert.equal(upstream.asked, 5);
        if (!page.isClosed()) await page.close();
    }
});

test('a thousand results reach a page, in order where that is asked for', async () => {
    const items = Array.from({length: 1000}, (_, n) => ({id: n, url: upstream.url('/')}));
    const {page, state, results} = await open(listed, {items, options: {order: 'input'}});
    await until('the end', async () => await state() === 'done: 1000 of 1000');
    assert.deepEqual((await results()).map((text) => Number(text.split(':')[0])), items.map(({id}) => id));
    await page.close();
});
