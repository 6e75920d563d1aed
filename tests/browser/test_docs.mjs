// test_docs.mjs - GET /docs in headless Chromium: it is drawn, from here alone, and what is tried out really runs.
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {accessSync, constants} from 'node:fs';
import path from 'node:path';
import test, {after, before} from 'node:test';
import {chromium} from 'playwright-core';
import {HOST, binary, endAll, startServer} from '../harness/server.mjs';
import {startUpstream, until} from './lib.mjs';

const CHROMIUM = '/usr/bin/chromium';
const WITHIN = {timeout: 60_000};
let browser, server, upstream, origin;

before(async () => {
    accessSync(CHROMIUM, constants.X_OK); // apt-get install chromium
    upstream = await startUpstream();
    server = await startServer();
    origin = `http://${HOST}:${server.port}`;
    browser = await chromium.launch({executablePath: CHROMIUM, chromiumSandbox: false, args: [
        '--no-proxy-server', `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${HOST}`, '--disable-dev-shm-usage']});
});
after(async () => {
    try {
        await browser?.close();
        await server?.stop();
        await upstream?.stop();
    } finally {
        endAll();
    }
});

// The page of a server, drawn; everything that should not happen to it lands in `faults`, what it asked for in `asked`.
async function open(fragment = '', at = origin) {
    const page = await browser.newPage({viewport: {width: 1300, height: 1600}});
    const faults = [], asked = [];
    page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
    page.on('console', (line) => { if (['error', 'warning'].includes(line.type())) faults.push(`${line.type()}: ${line.text()}`); });
    page.on('requestfailed', (request) => faults.push(`failed: ${request.url()}`));
    page.on('response', (answer) => { if (answer.status() >= 400) faults.push(`${answer.status()}: ${answer.url()}`); });
    page.on('request', (request) => { if (!request.url().startsWith('data:')) asked.push(request.url()); });
    await page.exposeFunction('tellViolation', (text) => faults.push(`violation: ${text}`));
    await page.addInitScript(() => document.addEventListener('securitypolicyviolation',
        (event) => window.tellViolation(`${event.violatedDirective} ${event.blockedURI}`)));
    await page.goto(`${at}/docs${fragment}`);
    await page.locator('.opblock').first().waitFor(WITHIN);
    return {page, faults, asked};
}

const operation = (page, id) => page.locator(`[id$="-${id}"]`);
const shot = (page, name) => page.screenshot({path: path.join(path.dirname(binary), name)});

test('it shows every operation of the document, from this server alone, and nothing complains', async () => {
    const {page, faults, asked} = await open();
    const text = await (await fetch(`${origin}/openapi.yaml`)).text();
    const ids = [...text.matchAll(/^ {6}operationId: (\w+)$/gm)].map(([, id]) => id);
    assert.ok(ids.length >= 12);
    assert.equal(await page.locator('.opblock').count(), ids.length);
    for (const id of ids) assert.equal(await operation(page, id).count(), 1, id);
    assert.match(await page.locator('.info').innerText(), /One POST \/v1\/batch carries many items/);
    await shot(page, 'docs.png');
    assert.deepEqual(asked.map((url) => url.replace(origin, '')).sort(),
        ['/docs', '/docs/start.js', '/docs/swagger-ui-bundle.js', '/docs/swagger-ui.css', '/openapi.yaml']);
    assert.deepEqual(faults, []);
    await page.close();
});

test('an operation opens with its parameters, its schema and its answers', async () => {
    const {page, faults} = await open();
    const block = operation(page, 'postBatch');
    await block.locator('.opblock-summary-control').click();
    await block.locator('.responses-table').first().waitFor(WITHIN);
    assert.match(await block.locator('.opblock-section-request-body').innerText(), /Request body/i);
    await block.locator('.opblock-section-request-body').getByText('Schema', {exact: true}).first().click();
    for (const name of ['items', 'defaults', 'options'])
        await block.locator('.opblock-section-request-body').getByText(name, {exact: true}).first().waitFor(WITHIN);
    const answers = await block.locator('.responses-table .response-col_status').allInnerTexts();
    for (const status of ['200', '400', '413', '503']) assert.ok(answers.some((text) => text.startsWith(status)), status);
    await shot(page, 'docs-operation.png');
    assert.deepEqual(faults, []);
    await page.close();
});

test('a link to an operation opens it', async () => {
    const {page, faults} = await open('#/operations/getHealth');
    await operation(page, 'getHealth').locator('.responses-table').first().waitFor(WITHIN);
    assert.deepEqual(faults, []);
    await page.close();
});

test('with a slash behind its address it is the same page', async () => {
    const {page, faults} = await open('/#/operations/getHealth');
    await operation(page, 'getHealth').locator('.responses-table').first().waitFor(WITHIN);
    assert.equal(page.url(), `${origin}/docs#/operations/getHealth`);
    assert.deepEqual(faults, []);
    await page.close();
});

test('a batch that is tried out runs on this server, whatever address the document names', async () => {
    const {page, faults, asked} = await open('#/batches/postBatch');
    const block = operation(page, 'postBatch');
    const field = block.locator('textarea.body-param__text');
    await field.waitFor(WITHIN);
    await field.fill(JSON.stringify({items: [{id: 'tried', url: upstream.url('/out')}, {id: 'busy', url: upstream.url('/status/503')}]}));
    await block.locator('button.execute').click();
    await block.locator('.live-responses-table').waitFor(WITHIN);
    const shown = () => block.locator('.live-responses-table').innerText();
    await until('the results', async () => /"succeeded": 1/.test(await shown()));
    for (const want of [/"id": "tried"/, /"url": "\/out"/, /"upstream_status": 1/]) assert.match(await shown(), want);
    assert.equal(upstream.asked, 2);
    assert.deepEqual(asked.filter((url) => !url.startsWith(origin)), []);
    await shot(page, 'docs-tried.png');
    assert.deepEqual(faults, []);
    await page.close();
});

test('where keys are needed, one that is typed in is used, and only then', async () => {
    const key = 'bg_typed-into-the-page-0123456789';
    const keyed = await startServer({auth: {keys: [{name: 'a', sha256: [createHash('sha256').update(key).digest('hex')]}]}});
    const {page, faults} = await open('#/endpoints/listEndpoints', `http://${HOST}:${keyed.port}`);
    const block = operation(page, 'listEndpoints');
    const shown = block.locator('.live-responses-table');
    const tryOut = async (want) => {
        await block.locator('button.execute').click();
        await until(`a ${want}`, async () => await shown.count() > 0 && new RegExp(`Details\\s+${want}\\s`).test(await shown.innerText()));
    };
    await tryOut('401');
    assert.ok(faults.length > 0 && faults.every((fault) => fault.includes('401')), faults.join('\n'));
    faults.length = 0;
    await page.locator('.scheme-container button.authorize').click();
    await page.locator('.modal-ux input').fill(key);
    await page.locator('.modal-ux button.authorize').click();
    await page.locator('.modal-ux button.btn-done').click();
    await tryOut('200');
    assert.deepEqual(faults, []);
    await page.close();
    await keyed.stop();
});
