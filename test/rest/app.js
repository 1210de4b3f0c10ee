'use strict';

/*
 * An app that asks through @supabase/postgrest-js, as one made with Supabase's tools would; where
 * that module is to be found (NODE_PATH, or node_modules above).
 *
 *	node test/rest/app.js --url URL --secret JWT-SECRET
 *
 * Needs what fixtures.sql makes.  Prints the Test Anything Protocol, "1..0 # SKIP" without the module.
 */

const crypto = require('node:crypto');
const { parseArgs } = require('node:util');

const { values: options } = parseArgs({ options: { url: { type: 'string' }, secret: { type: 'string' } } });
let number = 0;

function ok(good, name, why)
{
	console.log(`${good ? 'ok' : 'not ok'} ${++number} - app: ${name}`);
	if (!good)
		console.log(`# ${JSON.stringify(why)}`);
}

function token(sub, role)
{
	const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
	const claims = { iss: 'rest', client_id: 'app', token_use: 'access', sub, role, exp: Math.floor(Date.now() / 1000) + 3600 };
	const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
	return `${signed}.${crypto.createHmac('sha256', options.secret).update(signed).digest('base64url')}`;
}

async function main({ PostgrestClient })
{
	const client = (sub, role) => new PostgrestClient(options.url, { schema: 'washminute_api', headers: { Authorization: `Bearer ${token(sub, role)}` } });
	const amina = client('amina', 'washminute_customer');
	const w1 = client('w1', 'washminute_washman');
	const services = await amina.from('services').select('service_code,price').eq('kind', 'main').order('price').limit(1);
	ok(services.data?.[0]?.service_code === 'exterior', 'reads the catalogue', services);
	const me = await amina.from('me').select().single();
	ok(me.data?.user_id === 'amina', 'reads a single row', me);
	const home = await amina.rpc('home', { longitude: -7.61, latitude: 33.59 }, { get: true });
	ok(home.data?.me?.user_id === 'amina', 'reads its first screen', home);
	const booking = await amina.rpc('create_booking', { service_codes: ['complete'], longitude: -7.61, latitude: 33.59, address: 'Rue 1',
		payment_method: 'cash' }).single();
	ok(booking.data?.status === 'pending', 'books', booking);
	const request = booking.data?.request_id;
	const accepted = await w1.rpc('accept_request', { request_id: request });
	ok(accepted.data?.[0]?.status === 'accepted', 'accepts', accepted);
	const again = await w1.rpc('accept_request', { request_id: request });
	ok(again.status === 409 && again.error?.details?.startsWith('WM_ALREADY_ACCEPTED'), 'is told why not, with a code', again);
	const list = await amina.from('requests').select('request_id,status', { count: 'exact' }).in('status', ['accepted']).gte('created_at', '2000-01-01');
	ok(list.data?.some((row) => row.request_id === request) && list.count >= 1, 'filters and counts', list);
	const cancelled = await amina.rpc('cancel_request', { request_id: request });
	ok(cancelled.error === null && cancelled.status === 204, 'calls what answers nothing', cancelled);
	console.log(`1..${number}`);
	process.exit(0);
}

let found;
try
{
	found = require('@supabase/postgrest-js');
}
catch
{
	console.log('1..0 # SKIP @supabase/postgrest-js is not installed');
}
if (found !== undefined)
	main(found);
