-- Where the washmen of test/bench/matching are, and where it is asked: around ten
-- Moroccan cities, each as often as the others, normally distributed with a standard
-- deviation of 5 km.  The same seed gives the same places, with six decimals, which all
-- contestants can read without rounding.

CREATE SCHEMA bench AUTHORIZATION washminute_owner;
SET ROLE washminute_owner;

CREATE TABLE bench.cities (
    number integer NOT NULL PRIMARY KEY,
    name text NOT NULL,
    longitude float8 NOT NULL,
    latitude float8 NOT NULL
);
INSERT INTO bench.cities VALUES
  (0, 'Casablanca', -7.6114, 33.5899),
  (1, 'Rabat', -6.8416, 34.0209),
  (2, 'Marrakech', -7.9811, 31.6295),
  (3, 'Fes', -5.0003, 34.0331),
  (4, 'Tangier', -5.8340, 35.7595),
  (5, 'Agadir', -9.5981, 30.4278),
  (6, 'Meknes', -5.5473, 33.8935),
  (7, 'Oujda', -1.9076, 34.6867),
  (8, 'Kenitra', -6.5802, 34.2610),
  (9, 'Tetouan', -5.3626, 35.5889);

-- 111.2 km to a degree of latitude; spread stretches the distances
CREATE FUNCTION bench.draw(count integer, seed float8, spread float8 DEFAULT 1)
RETURNS TABLE (i integer, longitude float8, latitude float8) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM setseed(seed);
    RETURN QUERY
    WITH drawn AS MATERIALIZED (
        SELECT n, spread * 5 / 111.2 * sqrt(-2 * ln(1 - random())) AS far, 2 * pi() * random() AS towards
          FROM generate_series(1, count) AS n)
    SELECT d.n,
           round((c.longitude + d.far * cos(d.towards) / cos(radians(c.latitude)))::numeric, 6)::float8,
           round((c.latitude + d.far * sin(d.towards))::numeric, 6)::float8
      FROM drawn AS d JOIN bench.cities AS c ON c.number = d.n % 10
     ORDER BY d.n;
END $$;

CREATE TABLE bench.washmen (
    i integer NOT NULL PRIMARY KEY,
    id text NOT NULL,
    longitude float8 NOT NULL,
    latitude float8 NOT NULL
);

-- Washmen of so many maps side by side, 12 degrees from one to the next: farther than
-- the map is wide.
CREATE FUNCTION bench.place_washmen(per_map integer, maps integer) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO bench.washmen
    SELECT i, 'w' || i, longitude + 12 * ((i - 1) / per_map), latitude
      FROM bench.draw(per_map * maps, 0.5)
    ON CONFLICT (i) DO NOTHING;
$$;

-- Where it is asked, on so many maps.
CREATE FUNCTION bench.points(count integer, maps integer)
RETURNS TABLE (i integer, longitude float8, latitude float8) LANGUAGE sql AS $$
    SELECT i, longitude + 12 * (i / 10 % maps), latitude FROM bench.draw(count, 0.25);
$$;
