# install.cmake - what `make install` puts where. Man pages, completion and reference are made of the tables.
include(GNUInstallDirs)
set(BATCHGATE_CONFIG_DIR /etc/batchgate CACHE STRING "where the configuration lies; not under the prefix")
set(packaging ${PROJECT_SOURCE_DIR}/packaging)
set(made ${PROJECT_BINARY_DIR}/made)
file(MAKE_DIRECTORY ${made})
set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
	GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

# A program of the build writes them; `reference` renews the one that is part of the source.
file(GLOB manual_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cli/manual*.c)
add_executable(manual ${manual_sources})
target_link_libraries(manual PRIVATE cli)
string(TIMESTAMP manual_date "%Y-%m-%d" UTC) # of SOURCE_DATE_EPOCH, where that is set
foreach(page batchgate.8 batchgate.yaml.5 completion configuration.md)
	add_custom_command(OUTPUT ${made}/${page} DEPENDS manual VERBATIM COMMENT "Writing ${page}"
		COMMAND sh -c "\"$1\" \"$2\" \"$3\" >\"$4\"" sh $<TARGET_FILE:manual> ${page} ${manual_date} ${made}/${page})
endforeach()
function(compress from to)
	add_custom_command(OUTPUT ${made}/${to} DEPENDS ${from} VERBATIM COMMENT "Compressing ${to}"
		COMMAND sh -c "gzip -9nc \"$1\" >\"$2\"" sh ${from} ${made}/${to})
endfunction()
compress(${made}/batchgate.8 batchgate.8.gz)
compress(${made}/batchgate.yaml.5 batchgate.yaml.5.gz)
compress(${PROJECT_SOURCE_DIR}/CHANGELOG.md changelog.gz)
# The guide, with its links as they are where it is installed.
file(GLOB guide RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS docs/*.md)
set(guide_made "")
foreach(page README.md SECURITY.md ${guide})
	get_filename_component(folder ${made}/guide/${page} DIRECTORY)
	file(MAKE_DIRECTORY ${folder})
	add_custom_command(OUTPUT ${made}/guide/${page} VERBATIM COMMENT "Linking ${page}"
		DEPENDS ${PROJECT_SOURCE_DIR}/${page} ${PROJECT_SOURCE_DIR}/cmake/guide.sed
		COMMAND sh -c "sed -Ef \"$1\" \"$2\" >\"$3\"" sh ${PROJECT_SOURCE_DIR}/cmake/guide.sed ${PROJECT_SOURCE_DIR}/${page}
			${made}/guide/${page})
	list(APPEND guide_made ${made}/guide/${page})
endforeach()
set(always ALL)
if(BATCHGATE_SANITIZE) # whose programs do not run everywhere as they are; nobody asks for pages there
	set(always "")
endif()
add_custom_target(manual-pages ${always} DEPENDS ${made}/batchgate.8.gz ${made}/batchgate.yaml.5.gz ${made}/completion
	${made}/configuration.md ${made}/changelog.gz ${guide_made})
add_custom_target(reference DEPENDS ${made}/configuration.md VERBATIM
	COMMAND ${CMAKE_COMMAND} -E copy ${made}/configuration.md ${PROJECT_SOURCE_DIR}/docs/configuration.md)

install(TARGETS batchgate RUNTIME)
install(FILES ${made}/batchgate.8.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${made}/batchgate.yaml.5.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${made}/completion DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME batchgate)
install(FILES ${packaging}/sysusers.conf DESTINATION lib/sysusers.d RENAME batchgate.conf)
# The prefix is known only when things are installed: --prefix may say another one.
install(CODE "set(BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
	set(CONFIG_DIR \"${BATCHGATE_CONFIG_DIR}\")
	configure_file(\"${packaging}/batchgate.service.in\" \"${made}/batchgate.service\" @ONLY)")
install(FILES ${made}/batchgate.service DESTINATION lib/systemd/system)
# What somebody has written stays.
install(CODE "set(config \"${BATCHGATE_CONFIG_DIR}/batchgate.yaml\")
	if(EXISTS \"\$ENV{DESTDIR}\${config}\")
		message(STATUS \"Kept: \$ENV{DESTDIR}\${config}\")
	else()
		file(INSTALL DESTINATION \"${BATCHGATE_CONFIG_DIR}\" TYPE FILE FILES \"${packaging}/batchgate.yaml\")
	endif()")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
install(FILES ${made}/changelog.gz ${PROJECT_SOURCE_DIR}/openapi.yaml DESTINATION ${CMAKE_INSTALL_DOCDIR})
foreach(page README.md SECURITY.md ${guide})
	get_filename_component(folder ${CMAKE_INSTALL_DOCDIR}/${page} DIRECTORY)
	install(FILES ${made}/guide/${page} DESTINATION ${folder})
endforeach()
# What the guide shows and links to. A folder of somebody's may hold keys beside it: by name or ending only.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples ${PROJECT_SOURCE_DIR}/docker DESTINATION ${CMAKE_INSTALL_DOCDIR}
	FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ FILES_MATCHING PATTERN "*.md" PATTERN "*.py" PATTERN "run.sh"
	PATTERN "start.sh" PATTERN "queries.txt" PATTERN "*.yaml" PATTERN "*.yml" PATTERN "nginx.conf" PATTERN "dashboard.json"
	PATTERN "secret*" EXCLUDE PATTERN "tls" EXCLUDE PATTERN "__pycache__" EXCLUDE)

include(cmake/deb.cmake)
