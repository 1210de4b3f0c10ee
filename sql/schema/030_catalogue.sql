-- Where washing is offered, what, and for how much.

CREATE TABLE washminute_data.service_zones (
    zone_code text NOT NULL,
    name_ar text NOT NULL,
    name_fr text NOT NULL,
    name_en text NOT NULL,
    boundary geography(Polygon, 4326) NOT NULL,
    time_zone text NOT NULL DEFAULT 'Africa/Casablanca',
    opens_at time NOT NULL DEFAULT '08:00',
    closes_at time NOT NULL DEFAULT '20:00',
    active boolean NOT NULL DEFAULT true,
    CONSTRAINT service_zones_pk PRIMARY KEY (zone_code),
    CONSTRAINT service_zones_code_is_slug CHECK (zone_code ~ '^[a-z][a-z0-9_]{0,39}$'),
    CONSTRAINT service_zones_opens_before_it_closes CHECK (opens_at < closes_at),
    CONSTRAINT service_zones_time_zone_known
      CHECK (('2000-01-01 00:00+00'::timestamptz AT TIME ZONE time_zone) IS NOT NULL)
);
CREATE INDEX service_zones_boundary ON washminute_data.service_zones USING gist (boundary);
COMMENT ON TABLE washminute_data.service_zones IS
  'Where orders are taken. A place in several zones belongs to the one with the smallest area.';
COMMENT ON COLUMN washminute_data.service_zones.zone_code IS 'Name for programs.';
COMMENT ON COLUMN washminute_data.service_zones.name_ar IS 'Name in Arabic.';
COMMENT ON COLUMN washminute_data.service_zones.name_fr IS 'Name in French.';
COMMENT ON COLUMN washminute_data.service_zones.name_en IS 'Name in English.';
COMMENT ON COLUMN washminute_data.service_zones.boundary IS 'Polygon on WGS 84.';
COMMENT ON COLUMN washminute_data.service_zones.time_zone IS 'The business''s clock, an IANA name. Never the server''s.';
COMMENT ON COLUMN washminute_data.service_zones.opens_at IS 'First local time at which work may start.';
COMMENT ON COLUMN washminute_data.service_zones.closes_at IS 'Local time from which on no work may start; 24:00 for open all day.';
COMMENT ON COLUMN washminute_data.service_zones.active IS 'Whether orders are taken now.';

CREATE TABLE washminute_data.services (
    service_code text NOT NULL,
    kind text NOT NULL,
    name_ar text NOT NULL,
    name_fr text NOT NULL,
    name_en text NOT NULL,
    price numeric(12, 2) NOT NULL,
    duration_minutes integer NOT NULL,
    active boolean NOT NULL DEFAULT true,
    CONSTRAINT services_pk PRIMARY KEY (service_code),
    CONSTRAINT services_code_is_slug CHECK (service_code ~ '^[a-z][a-z0-9_]{0,39}$'),
    CONSTRAINT services_kind_known CHECK (kind IN ('main', 'extra')),
    CONSTRAINT services_price_positive CHECK (price > 0 AND price <> 'NaN'::numeric),
    CONSTRAINT services_duration_positive CHECK (duration_minutes BETWEEN 1 AND 1440)
);
COMMENT ON TABLE washminute_data.services IS
  'What can be booked. An order has at least one main service; extras come on top.';
COMMENT ON COLUMN washminute_data.services.service_code IS 'Name for programs.';
COMMENT ON COLUMN washminute_data.services.kind IS 'main or extra.';
COMMENT ON COLUMN washminute_data.services.name_ar IS 'Name in Arabic.';
COMMENT ON COLUMN washminute_data.services.name_fr IS 'Name in French.';
COMMENT ON COLUMN washminute_data.services.name_en IS 'Name in English.';
COMMENT ON COLUMN washminute_data.services.price IS 'MAD.';
COMMENT ON COLUMN washminute_data.services.duration_minutes IS 'Minutes of work.';
COMMENT ON COLUMN washminute_data.services.active IS 'Whether it can be booked now.';

ALTER TABLE washminute_data.service_zones ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.services ENABLE ROW LEVEL SECURITY;

INSERT INTO washminute_data.services
  (service_code, kind, name_ar, name_fr, name_en, price, duration_minutes) VALUES
  ('exterior', 'main', 'غسيل خارجي', 'Lavage extérieur', 'Exterior wash', 60.00, 30),
  ('interior', 'main', 'تنظيف داخلي', 'Nettoyage intérieur', 'Interior cleaning', 70.00, 40),
  ('complete', 'main', 'غسيل كامل', 'Lavage complet', 'Complete wash', 100.00, 60),
  ('wax', 'extra', 'تلميع بالشمع', 'Lustrage à la cire', 'Wax polish', 50.00, 20),
  ('engine', 'extra', 'تنظيف المحرك', 'Nettoyage du moteur', 'Engine cleaning', 80.00, 30),
  ('upholstery', 'extra', 'تنظيف المقاعد', 'Nettoyage des sièges', 'Upholstery cleaning', 120.00, 45),
  ('tyres', 'extra', 'تلميع الإطارات', 'Brillant à pneus', 'Tyre shine', 30.00, 10);

-- The larger cities: a circle around the centre, whose coordinates are those of
-- GeoNames (https://www.geonames.org), to a hundredth of a degree.
INSERT INTO washminute_data.service_zones (zone_code, name_ar, name_fr, name_en, boundary)
SELECT city.code, city.name_ar, city.name_fr, city.name_en,
       ST_Buffer(ST_SetSRID(ST_MakePoint(city.longitude, city.latitude), 4326)::geography,
                 city.radius_km * 1000.0, 16)
  FROM (VALUES
    ('casablanca', 'الدار البيضاء', 'Casablanca', 'Casablanca', -7.61, 33.59, 25),
    ('rabat', 'الرباط', 'Rabat', 'Rabat', -6.84, 34.01, 15),
    ('sale', 'سلا', 'Salé', 'Sale', -6.80, 34.04, 12),
    ('fes', 'فاس', 'Fès', 'Fez', -5.00, 34.03, 18),
    ('marrakech', 'مراكش', 'Marrakech', 'Marrakesh', -8.00, 31.63, 20),
    ('tanger', 'طنجة', 'Tanger', 'Tangier', -5.80, 35.77, 18),
    ('agadir', 'أكادير', 'Agadir', 'Agadir', -9.60, 30.42, 20),
    ('meknes', 'مكناس', 'Meknès', 'Meknes', -5.55, 33.89, 15),
    ('oujda', 'وجدة', 'Oujda', 'Oujda', -1.91, 34.68, 15),
    ('kenitra', 'القنيطرة', 'Kénitra', 'Kenitra', -6.58, 34.26, 15),
    ('tetouan', 'تطوان', 'Tétouan', 'Tetouan', -5.37, 35.58, 12),
    ('safi', 'آسفي', 'Safi', 'Safi', -9.24, 32.30, 12),
    ('mohammedia', 'المحمدية', 'Mohammédia', 'Mohammedia', -7.38, 33.69, 10),
    ('el_jadida', 'الجديدة', 'El Jadida', 'El Jadida', -8.50, 33.25, 12),
    ('beni_mellal', 'بني ملال', 'Béni Mellal', 'Beni Mellal', -6.35, 32.34, 12),
    ('nador', 'الناظور', 'Nador', 'Nador', -2.93, 35.17, 12),
    ('khouribga', 'خريبكة', 'Khouribga', 'Khouribga', -6.91, 32.88, 12),
    ('settat', 'سطات', 'Settat', 'Settat', -7.62, 33.00, 12),
    ('laayoune', 'العيون', 'Laâyoune', 'Laayoune', -13.20, 27.15, 15)
  ) AS city (code, name_ar, name_fr, name_en, longitude, latitude, radius_km);
