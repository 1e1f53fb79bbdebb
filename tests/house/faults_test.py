"""That faults.py notices a test that is gone."""

import pathlib
import tempfile
import unittest

import faults


class FaultsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tests = pathlib.Path(folder.name)
        (self.tests / "load").mkdir()
        (self.tests / "load/run.py").write_text('SCENARIOS = {"L1": one}\n')
        (self.tests / "a_test.cc").write_text("TEST_F(Suite, ItHolds) {\n}\n")

    def missing(self, page):
        return list(faults.missing_of(page, self.tests))

    def test_what_is_there_is_not_missing(self):
        self.assertEqual(self.missing("| a | b; L1 | `a_test.cc` ItHolds |"), [])

    def test_a_test_a_file_or_a_scenario_that_is_gone_is_named(self):
        self.assertEqual(self.missing("| a | b | `a_test.cc` ItHolds, Other |"), ["a_test.cc has no test Other"])
        self.assertEqual(self.missing("| a | b | `b_test.cc` ItHolds |"), ["b_test.cc has no test ItHolds"])
        self.assertEqual(self.missing("| a | b | L2 |"), ["./dev load has no scenario L2"])

    def test_a_row_names_a_test(self):
        self.assertEqual(len(self.missing("| a fault | what happens | nothing |")), 1)


if __name__ == "__main__":
    unittest.main()
