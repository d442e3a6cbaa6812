//! Nothing: the test is all.
