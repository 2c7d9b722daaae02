//! Reads canonical Extended JSON back into raw BSON.
