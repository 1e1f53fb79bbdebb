// Nothing but what precompiles libtorch's header; see CMakeLists.txt.
