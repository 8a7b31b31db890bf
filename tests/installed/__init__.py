"""A package, since its modules are named as others of the tests are."""
