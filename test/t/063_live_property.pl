# Matching by the live index, over random places, gives what PostGIS gives by brute
# force: the same washmen in the same order, distances and ring equal to the bit.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $washmen = 200;
my $node = washminute_node('main', conf => <<'EOC');
washminute.location_flush_interval = 10min
max_parallel_workers_per_gather = 0
jit = off
work_mem = 64MB
autovacuum = off
EOC

becomes_true($node, 'SELECT answers FROM washminute.live_status()', 'the index answers');
$node->safe_psql('postgres', <<"SQL");
SELECT washminute.set_clock('2026-03-10 12:00+00', 0);
SELECT count(washminute.upsert_user('w' || i, 'washman')) FROM generate_series(1, $washmen) AS i;
SELECT count(washminute.set_washman_status('w' || i, 'online')) FROM generate_series(1, $washmen) AS i;
CREATE TABLE places (set text, number integer, longitude float8, latitude float8, PRIMARY KEY (set, number));

CREATE FUNCTION longitude(float8) RETURNS float8 LANGUAGE sql AS
  \$\$ SELECT greatest(-180, least(180, CASE WHEN \$1 > 180 THEN \$1 - 360 WHEN \$1 < -180 THEN \$1 + 360 ELSE \$1 END)) \$\$;
CREATE FUNCTION latitude(float8) RETURNS float8 LANGUAGE sql AS \$\$ SELECT greatest(-90, least(90, \$1)) \$\$;

-- So many queries near the washmen of a set, one in ten right where one is: how many
-- there were, how many differ, found somebody, found as many as they may.
CREATE FUNCTION differ(set_name text, queries integer, first float8, step float8, last float8, most integer)
RETURNS TABLE (count bigint, differ bigint, found bigint, cut bigint)
LANGUAGE sql VOLATILE AS \$\$
  WITH query AS MATERIALIZED (
    SELECT q.number, q.x, q.y, ST_SetSRID(ST_MakePoint(q.x, q.y), 4326)::geography AS place
      FROM (SELECT i AS number,
                   longitude(p.longitude + shift * (random() - 0.5) / greatest(cos(radians(p.latitude)), 0.001)) AS x,
                   latitude(p.latitude + shift * (random() - 0.5)) AS y
              FROM generate_series(1, queries) AS i
              JOIN places AS p ON p.set = set_name AND p.number = 1 + i % $washmen,
                   LATERAL (SELECT CASE i % 10 WHEN 0 THEN 0 WHEN 1 THEN 40 ELSE 0.3 END AS shift) AS s) AS q),
  candidate AS MATERIALIZED (
    SELECT q.number, p.washman_id, ST_Distance(q.place, p.last_location) AS distance_m
      FROM query AS q JOIN washminute_data.washman_positions AS p ON ST_DWithin(q.place, p.last_location, last)),
  ring AS (
    SELECT c.number, CASE WHEN min(c.distance_m) <= first THEN first
                          ELSE least(first + ceil((min(c.distance_m) - first) / step) * step, last) END AS radius_m
      FROM candidate AS c GROUP BY c.number),
  expected AS (
    SELECT c.number, min(r.radius_m) AS radius_m,
           array_agg(c.washman_id ORDER BY c.distance_m, c.washman_id COLLATE "C") AS ids,
           array_agg(c.distance_m ORDER BY c.distance_m, c.washman_id COLLATE "C") AS metres
      FROM candidate AS c JOIN ring AS r ON r.number = c.number
     WHERE c.distance_m <= r.radius_m GROUP BY c.number),
  got AS (
    SELECT q.number, min(n.radius_m) AS radius_m,
           array_agg(n.washman_id ORDER BY n.ordinality) AS ids, array_agg(n.distance_m ORDER BY n.ordinality) AS metres
      FROM query AS q, LATERAL washminute.nearby_washmen(q.x, q.y, first, step, last, most) WITH ORDINALITY AS n
     GROUP BY q.number)
  SELECT count(*),
         count(*) FILTER (WHERE (e.ids[1:most], e.metres[1:most], e.radius_m) IS DISTINCT FROM (g.ids, g.metres, g.radius_m)),
         count(g.number), count(*) FILTER (WHERE cardinality(g.ids) = most)
    FROM query AS q LEFT JOIN expected AS e ON e.number = q.number LEFT JOIN got AS g ON g.number = q.number
\$\$;

SELECT setseed(0.25);
-- one city; ten, of which each has a rank where many stand at one place
INSERT INTO places SELECT 'city', i, -7.6 + (random() - 0.5) * 0.5, 33.6 + (random() - 0.5) * 0.5 FROM generate_series(1, $washmen) AS i;
INSERT INTO places SELECT 'clusters', i, -7.6 + (i % 10) * 0.3 + r, 33.6 + (i % 10) * 0.2 + r
  FROM generate_series(1, $washmen) AS i, LATERAL (SELECT CASE WHEN i % 4 = 0 THEN 0 ELSE (random() + random() + random() - 1.5) * 0.1 END AS r) AS s;
-- at the equator and far from it
INSERT INTO places SELECT 'antimeridian', i, CASE WHEN i % 2 = 0 THEN 180 - random() * 0.3 ELSE -180 + random() * 0.3 END,
  (i % 3 - 1) * 70 + random() * 0.5 FROM generate_series(1, $washmen) AS i;
INSERT INTO places SELECT 'poles', i, random() * 360 - 180, CASE i % 2 WHEN 0 THEN 1 ELSE -1 END * (90 - random() * random() * 0.5)
  FROM generate_series(1, $washmen) AS i;
INSERT INTO places SELECT 'globe', i, random() * 360 - 180, degrees(asin(random() * 2 - 1)) FROM generate_series(1, $washmen) AS i;
SQL

# queries, first ring, step, limit, most
my @near = (
	'8000, 5000, 5000, 20000, 50', '8000, 5000, 5000, 20000, 1', '6000, 20000, 20000, 20000, 20',
	'6000, 100, 250, 20000, 10000', '2000, 0.001, 7, 3000, 3', '1000, 60000, 20000, 60000, 10000', '400, 200000, 100, 200000, 40');
my %queries = (
	(map { $_ => \@near } qw(city clusters antimeridian poles)),
	globe => [
		'1000, 1000000, 500000, 20037508, 50', '1000, 2000000, 1000000, 20037508, 1',
		'500, 20037508, 20037508, 20037508, 10000', '1000, 300000, 100000, 3000000, 7' ]);
my $total = 0;

foreach my $set (sort keys %queries)
{
	# the second report confirms where nobody gets so fast
	my $report = "SELECT washminute.report_locations(array_agg('w' || number), array_agg(longitude), array_agg(latitude))"
	  . " FROM places WHERE set = '$set';\n";

	$node->safe_psql('postgres', $report x 2 . 'SELECT washminute.flush_locations(); ANALYZE;');
	is_query($node, 'SELECT count(*) FROM washminute.live_washmen() AS l JOIN places AS p'
		  . " ON p.set = '$set' AND l.washman_id = 'w' || p.number AND l.longitude = p.longitude AND l.latitude = p.latitude",
		$washmen, "$set: all are where they are to be");
	foreach my $arguments (@{ $queries{$set} })
	{
		my ($count, $differ, $found, $cut) = split(/\|/,
			$node->safe_psql('postgres', "SELECT * FROM differ('$set', $arguments)"));

		$total += $count;
		is($differ, 0, "$set, $arguments: none of $count differs ($found find somebody, $cut as many as they may)");
		cmp_ok($found, '>', 0, "$set, $arguments: somebody is found");
	}
	is_query($node, 'SELECT washminute._check_live_index()', '', "$set: the index is whole");
}
cmp_ok($total, '>=', 100_000, "$total queries");

done_testing();
