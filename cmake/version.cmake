# trimtab_version_header(target folder): gives `target` a generated "<folder>/version.h" with the release and the commit the
# tree was configured at ("unknown" without git).
function(trimtab_version_header target folder)
  set(commit unknown)
  find_package(Git QUIET)
  if(Git_FOUND)
    execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                    OUTPUT_VARIABLE head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE result)
    if(result EQUAL 0)
      set(commit ${head})
    endif()
  endif()
  string(TOUPPER ${folder} guard)
  string(REPLACE "/" "_" guard ${guard})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/version.h.in ${PROJECT_BINARY_DIR}/generated/${folder}/version.h @ONLY)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated>)
endfunction()
