find_program(TRIMTAB_CCACHE ccache)
if(TRIMTAB_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${TRIMTAB_CCACHE})
endif()

# What all our targets share. Link `trimtab_options` privately; generated code does not, so it is free of our warnings.
add_library(trimtab_options INTERFACE)
target_include_directories(trimtab_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(trimtab_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Werror>
                       $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xcompiler=-Wall,-Wextra,-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(trimtab_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)  # GCC 12 sees overlaps in std::string that are none.
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(trimtab_options INTERFACE -Wthread-safety -Werror=thread-safety)
endif()

# What we ship without CUDA has the same bytes wherever it was built.
add_compile_options($<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=>)

if(TRIMTAB_SANITIZE)
  add_compile_options(-fsanitize=${TRIMTAB_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TRIMTAB_SANITIZE})
endif()

# trimtab_library(name SOURCES a.cc ... LIBS PUBLIC x PRIVATE y)
function(trimtab_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(${name} ${arg_LIBS})
  target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:trimtab_options>)
endfunction()

# All tests labelled core: what the tsan preset builds.
add_custom_target(trimtab_core_tests)

set(trimtab_test_timeout 120)
if(TRIMTAB_SANITIZE)
  set(trimtab_test_timeout 1200)
endif()

# trimtab_test(name SOURCES a_test.cc ... LIBS x y [LABELS core]). What a test calls is optimised as the preset says; its own
# sources are not, which halves the time to compile them, but where they share a library's precompiled header.
function(trimtab_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gmock GTest::gtest_main trimtab_options)
  target_compile_definitions(${name} PRIVATE TRIMTAB_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE $<$<NOT:$<BOOL:$<TARGET_PROPERTY:PRECOMPILE_HEADERS_REUSE_FROM>>>:-O0>)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${trimtab_test_timeout} LABELS "${arg_LABELS}")
  if("core" IN_LIST arg_LABELS)
    add_dependencies(trimtab_core_tests ${name})
  endif()
endfunction()
