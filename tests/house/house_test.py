"""That house.py sees what is too long, however it is written."""

import unittest

import house

BODY = "  Call();\n"


def cpp(before, lines, after="}\n"):
    return before + BODY * lines + after


class HouseTest(unittest.TestCase):
    def faults(self, name, text):
        return list(house.faults_of(name, text))

    def test_a_function_of_eighty_lines_is_fine_and_one_more_is_not(self):
        self.assertEqual(self.faults("a.cc", cpp("void F() {\n", 78)), [])
        self.assertEqual(self.faults("a.cc", cpp("void F() {\n", 79)), ["a.cc:1: 81 lines; a function has at most 80"])

    def test_it_is_counted_from_its_signature(self):
        long = cpp("namespace n {\n\nstd::vector<int> Class::F(int a,\n                       int b) const {\n", 79)
        self.assertEqual(self.faults("a.cc", long + "}\n"), ["a.cc:3: 82 lines; a function has at most 80"])

    def test_the_members_of_a_class_are_counted_one_by_one(self):
        method = "  void F() {\n" + "    Call();\n" * 60 + "  }\n"
        self.assertEqual(self.faults("a.h", "class C {\n public:\n" + 3 * method + "};\n"), [])
        long = "  void F() {\n" + "    Call();\n" * 90 + "  }\n"
        self.assertEqual(self.faults("a.h", "class C {\n public:\n" + method + long + "};\n"),
                         ["a.h:65: 92 lines; a function has at most 80"])

    def test_a_constructor_counts_with_its_members(self):
        members = "".join(f"      m{i}({i}),\n" for i in range(90))
        self.assertEqual(len(self.faults("a.cc", "A::A(int r)\n    : a(r),\n" + members + "      z(0) {}\n")), 1)

    def test_tests_count_and_so_do_functions_of_python(self):
        self.assertEqual(len(self.faults("a_test.cc", cpp("TEST(A, B) {\n", 99))), 1)
        self.assertEqual(len(self.faults("a.py", "def f():\n" + "    call()\n" * 80)), 1)

    def test_blocks_that_are_no_function_do_not_count(self):
        inner = cpp("int F() {\n", 50)
        self.assertEqual(self.faults("a.cc", "namespace n {\n\n" + 4 * (inner + "\n") + "}\n"), [])
        self.assertEqual(self.faults("a.h", "struct S {\n" + "  int a = 0;\n" * 200 + "};\n"), [])

    def test_a_file_of_more_than_five_hundred_lines_is_too_long(self):
        self.assertEqual(self.faults("a.md", "word\n" * 500), [])
        self.assertEqual(self.faults("a.md", "word\n" * 501), ["a.md: 501 lines; a file has at most 500"])


if __name__ == "__main__":
    unittest.main()
