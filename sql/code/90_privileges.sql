-- Nothing of ours is executable by everybody. setup() grants to washminute_owner.

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA washminute FROM PUBLIC;
