-- Nothing of ours is executable by everybody. setup() grants to washminute_owner.
--
-- Only what is new since the last script is revoked: a REVOKE inside ALTER
-- EXTENSION UPDATE makes the function's present grants, those of setup() too,
-- the ones that pg_dump takes for the extension's own and leaves out.

DO $$
DECLARE
  found pg_catalog.regprocedure;
BEGIN
  FOR found IN
    SELECT DISTINCT p.oid
      FROM pg_catalog.pg_proc AS p,
           pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a
     WHERE p.pronamespace = 'washminute'::pg_catalog.regnamespace AND a.grantee = 0
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', found);
  END LOOP;
END
$$;
