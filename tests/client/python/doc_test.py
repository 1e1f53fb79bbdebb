"""What the documentation of the modules shows is what happens."""

import doctest
import unittest

from trimtab import affinity, exploration, routing


def load_tests(_loader, tests, _pattern):
    for module in (affinity, exploration, routing):
        tests.addTests(doctest.DocTestSuite(module))
    return tests


if __name__ == "__main__":
    unittest.main()
