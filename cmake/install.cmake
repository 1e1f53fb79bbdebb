# What `cmake --install` puts where, in two components: the programs, and the client library for find_package(trimtab).
include(GNUInstallDirs)
set(headers ${CMAKE_INSTALL_INCLUDEDIR}/trimtab)  # Its own folder: ours are called client/, model/ and kernels/.
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/trimtab)

install(TARGETS trimtabd trimtab trimtab-gateway RUNTIME DESTINATION bin COMPONENT programs)
install(TARGETS trimtab-trainer RUNTIME DESTINATION bin COMPONENT trainer)
install(TARGETS trimtab_sentencepiece LIBRARY DESTINATION lib/trimtab COMPONENT programs)

# What shells complete, as the programs print it.
function(trimtab_install_completion program component)
  set(script ${PROJECT_BINARY_DIR}/completions/${program})
  install(CODE "file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/completions)
                execute_process(COMMAND $<TARGET_FILE:${program}> --completion bash OUTPUT_FILE ${script} COMMAND_ERROR_IS_FATAL ANY)"
          COMPONENT ${component})
  install(FILES ${script} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT ${component})
endfunction()
trimtab_install_completion(trimtabd programs)
trimtab_install_completion(trimtab programs)
trimtab_install_completion(trimtab-gateway programs)
trimtab_install_completion(trimtab-trainer trainer)

install(TARGETS trimtab_client trimtab_model trimtab_kernels trimtab_proto trimtab_sentencepiece_proto EXPORT trimtab-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library INCLUDES DESTINATION ${headers})
install(DIRECTORY client model kernels DESTINATION ${headers} COMPONENT library FILES_MATCHING PATTERN *.h
        PATTERN gateway EXCLUDE PATTERN commands EXCLUDE PATTERN load EXCLUDE PATTERN python EXCLUDE PATTERN examples EXCLUDE PATTERN cuda EXCLUDE)
install(DIRECTORY ${PROJECT_BINARY_DIR}/proto/generated/ DESTINATION ${headers} COMPONENT library FILES_MATCHING PATTERN *.h)
install(EXPORT trimtab-targets NAMESPACE trimtab:: DESTINATION ${package} COMPONENT library)

include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/trimtab-config.cmake.in ${PROJECT_BINARY_DIR}/trimtab-config.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/trimtab-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/trimtab-config.cmake ${PROJECT_BINARY_DIR}/trimtab-config-version.cmake
        DESTINATION ${package} COMPONENT library)

# ./dev deb: the programs, with the packages of the shared libraries they load.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR Trimtab)
set(CPACK_PACKAGE_CONTACT "The Trimtab authors <trimtab@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Server for steerable T5 summarisers, with its command line and gateway")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL programs)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME trimtab)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_STRIP_FILES ON)
include(CPack)
