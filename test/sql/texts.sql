-- Texts to people: places, plural forms, money and times in the three languages.
\pset format unaligned
\pset null '(null)'

SELECT washminute.fill_text(t, 'fr', '{"name": "Amina", "empty": "", "nothing": null, "n": 7, "list": [1]}')
  FROM (VALUES ('no place'), ('{name} {name|other} {none|other words} {none}'), ('<{empty|x}> <{nothing|x}>'), ('{n} {list}'),
               ('{'), ('{name'), ('}'), ('{}'), ('{|x}'), ('{name|}'), ('{name, no such kind}'), ('{name,}'), ('{,}'), ('')) AS v (t);
-- forms of the number, as CLDR has them
CREATE FUNCTION pg_temp.minutes(locale text, number bigint) RETURNS text LANGUAGE sql
AS $$
  SELECT washminute.fill_text('{n, plural, zero {zero #} one {one #} two {two #} few {few #} many {many #} other {other #}}',
                              locale, jsonb_build_object('n', number))
$$;
SELECT n, pg_temp.minutes('en', n) AS en, pg_temp.minutes('fr', n) AS fr, translate(pg_temp.minutes('ar', n), U&'\2068\2069', '<>') AS ar
  FROM unnest('{0,1,2,3,10,11,12,99,100,101,102,103,111,1000,-1,-3}'::bigint[]) AS n;
SELECT t, washminute.fill_text(t, 'en', '{"n": 2, "one": 1, "word": "many"}')
  FROM (VALUES ('{n, plural, one {x} other {y}}'), ('{n,plural,one{x}other{y}}'), ('{n, plural, one {x}}'), ('{one, plural, one {{x} #}}'),
               ('{n, plural, }'), ('{n, plural, other}'), ('{n, plural, other {y}'), ('{word, plural, one {x} other {y}}'), ('{none, plural, other {y}}'),
               ('{n, plural}')) AS v (t);
-- money and times
SELECT locale, washminute.fill_text('{a, money} {b, money} {c, money} {d, money}', locale, '{"a": 0.50, "b": 120, "c": -1234567.80, "d": 1000}') AS money,
       washminute.fill_text('{t, date} {t, time} {w, time}', locale, '{"t": "2027-03-04T09:05", "w": "soon"}') AS at
  FROM unnest('{fr,en,ar,xx}'::text[]) AS locale;
-- in Arabic each thing put in is isolated from the direction of the words around it
SELECT translate(washminute.fill_text('مع {name} ({plate})', 'ar', '{"name": "Amina", "plate": "12345-أ-6"}'), U&'\2068\2069', '<>') AS isolated;
SELECT washminute.fill_text(NULL, 'fr', '{}'), washminute.fill_text('x', NULL, '{}'), washminute.fill_text('x', 'fr', NULL);
-- data that is no object
SELECT washminute.fill_text('{name|x}', 'fr', '[1]'), washminute.fill_text('{name|x}', 'fr', '"name"');

-- every event is told in all three languages, with the same members, and every form that the language needs
SELECT event, audience, count(DISTINCT locale) AS locales FROM washminute_data.push_templates GROUP BY 1, 2 HAVING count(DISTINCT locale) <> 3;
CREATE FUNCTION pg_temp.members(body text) RETURNS text[] LANGUAGE sql
AS $$ SELECT COALESCE(array_agg(DISTINCT m[1] ORDER BY m[1]), '{}') FROM regexp_matches(body, '\{(\w+)\s*[,|}]', 'g') AS m $$;
SELECT event, audience, count(DISTINCT pg_temp.members(title || body)) FROM washminute_data.push_templates GROUP BY 1, 2 HAVING count(DISTINCT pg_temp.members(title || body)) > 1;
SELECT event, audience, locale FROM washminute_data.push_templates
 WHERE body LIKE '%, plural,%'
   AND NOT CASE locale WHEN 'ar' THEN body ~ 'one \{.*two \{.*few \{.*many \{.*other \{' ELSE body ~ 'one \{.*other \{' END;
-- and what they say
SELECT event, audience, locale, translate(washminute.fill_text(body, locale, '{"minutes": 30, "startsAt": "2027-03-04T09:05", "total": 60}'), U&'\2068\2069', '<>') AS body
  FROM washminute_data.push_templates WHERE body LIKE '%{startsAt%' ORDER BY event COLLATE "C", audience, locale;
