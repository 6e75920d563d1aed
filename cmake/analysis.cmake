# format, format-check, tidy, cppcheck: what they say; image: the container.
file(GLOB_RECURSE own CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/common/*.[ch] ${PROJECT_SOURCE_DIR}/pool/*.[ch]
	${PROJECT_SOURCE_DIR}/batch/*.[ch] ${PROJECT_SOURCE_DIR}/server/*.[ch]
	${PROJECT_SOURCE_DIR}/handlers/*.[ch] ${PROJECT_SOURCE_DIR}/cli/*.[ch]
	${PROJECT_SOURCE_DIR}/bench/*.[ch] ${PROJECT_SOURCE_DIR}/tests/*.[ch])
include(ProcessorCount)
ProcessorCount(processors)
list(FILTER own EXCLUDE REGEX "/node_modules/")
set(daemon ${own})
list(FILTER daemon EXCLUDE REGEX "/(tests|bench)/|\\.h$")
string(REPLACE ";" "\n" own_lines "${own}")
string(REPLACE ";" "\n" daemon_lines "${daemon}")
file(WRITE ${PROJECT_BINARY_DIR}/own-files "${own_lines}\n")
file(WRITE ${PROJECT_BINARY_DIR}/daemon-files "${daemon_lines}\n")

add_custom_target(format COMMAND xargs -a ${PROJECT_BINARY_DIR}/own-files clang-format -i VERBATIM)
add_custom_target(format-check COMMAND xargs -a ${PROJECT_BINARY_DIR}/own-files clang-format --dry-run -Werror VERBATIM)
add_custom_target(tidy COMMAND xargs -a ${PROJECT_BINARY_DIR}/daemon-files -n 1 -P ${processors} clang-tidy -p ${PROJECT_BINARY_DIR} --quiet
	--warnings-as-errors=* VERBATIM)
add_custom_target(cppcheck COMMAND sh ${PROJECT_SOURCE_DIR}/scripts/cppcheck.sh ${PROJECT_BINARY_DIR})
add_custom_target(image COMMAND docker build -t batchgate:${PROJECT_VERSION}
	-f ${PROJECT_SOURCE_DIR}/docker/Dockerfile ${PROJECT_SOURCE_DIR})
