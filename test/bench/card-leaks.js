'use strict';

/*
 * Looks for texts that must not be there, in all files below some folders: as they are, with
 * blanks or dashes between groups of four, in hexadecimal, and in base64, wherever in it they begin.
 *
 *	node test/bench/card-leaks.js --text 4539... [--text ...] FOLDER-OR-FILE...
 *
 * Prints a line for each find, "FILE: FORM", and "searched FILES BYTES".
 */

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

// The characters of base64 that do not depend on what stands before and after, for each of
// the three places where a text can begin.
function inBase64(text)
{
	return [0, 1, 2].map((before) =>
	{
		const encoded = Buffer.from(`${'\0'.repeat(before)}${text}`).toString('base64').replace(/=+$/, '');
		const first = [0, 2, 3][before];
		const usable = Math.floor((before + text.length) * 8 / 6);
		return encoded.slice(first, usable);
	});
}

function formsOf(text)
{
	const hex = Buffer.from(text).toString('hex');
	const forms = [['plain', text], ['hex', hex], ['HEX', hex.toUpperCase()]];
	inBase64(text).forEach((encoded, at) => forms.push([`base64 at ${at}`, encoded]));
	if (/^\d{12,}$/.test(text))
	{
		forms.push(['in blanks', text.replace(/(.{4})(?=.)/g, '$1 ')], ['in dashes', text.replace(/(.{4})(?=.)/g, '$1-')]);
		// packed decimal, as numeric(…) or a binary protocol might have it
		forms.push(['packed', Buffer.from(text.length % 2 ? `0${text}` : text, 'hex')]);
	}
	return forms.map(([name, bytes]) => [name, Buffer.from(bytes)]);
}

function* filesBelow(place)
{
	const stat = fs.lstatSync(place, { throwIfNoEntry: false });
	if (stat?.isDirectory())
	{
		for (const name of fs.readdirSync(place))
			yield* filesBelow(path.join(place, name));
	}
	else if (stat?.isFile())
		yield place;
}

function main()
{
	const { values: { text: texts = [] }, positionals: places } = parseArgs({
		options: { text: { type: 'string', multiple: true } }, allowPositionals: true,
	});
	const forms = texts.flatMap((text) => formsOf(text).map(([name, bytes]) => [`${name} of ${text.length}`, bytes]));
	let files = 0;
	let bytes = 0;
	for (const file of places.flatMap((place) => [...filesBelow(place)]))
	{
		let content;
		try
		{
			content = fs.readFileSync(file);
		}
		catch
		{
			continue;	// it has gone meanwhile
		}
		files++;
		bytes += content.length;
		for (const [name, form] of forms)
		{
			if (content.includes(form))
				console.log(`${file}: ${name}`);
		}
	}
	console.log(`searched ${files} ${bytes}`);
}

main();
