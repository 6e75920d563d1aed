# embed.cmake - makes a file part of a library: `const unsigned char embedded_NAME[]`, `embedded_NAME_size`, and
# `embedded_NAME_etag`, which changes with every byte.
#
#   embed(handlers openapi.yaml openapi_yaml)          as it is
#   embed(handlers some.js some_js GZIP)               compressed
#
# Run as a script (cmake -P) it writes the C file; included, it defines the function.
if(CMAKE_SCRIPT_MODE_FILE)
	cmake_path(GET EMBED_TO PARENT_PATH folder)
	file(MAKE_DIRECTORY ${folder}) # Ninja does so itself; make does not, and OUTPUT_FILE needs it
	if(EMBED_GZIP)
		execute_process(COMMAND gzip -9nc "${EMBED_FROM}" OUTPUT_FILE "${EMBED_TO}.gz" COMMAND_ERROR_IS_FATAL ANY)
		set(EMBED_FROM "${EMBED_TO}.gz")
	endif()
	file(READ "${EMBED_FROM}" bytes HEX)
	file(SHA256 "${EMBED_FROM}" digest)
	string(SUBSTRING ${digest} 0 32 digest)
	string(LENGTH "${bytes}" size)
	math(EXPR size "${size} / 2")
	string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
	file(WRITE "${EMBED_TO}" "#include <stddef.h>\n"
		"extern const unsigned char embedded_${EMBED_NAME}[];\n"
		"extern const size_t embedded_${EMBED_NAME}_size;\n"
		"extern const char embedded_${EMBED_NAME}_etag[];\n"
		"const unsigned char embedded_${EMBED_NAME}[] = {\n${bytes}\n0};\n"
		"const size_t embedded_${EMBED_NAME}_size = ${size};\n"
		"const char embedded_${EMBED_NAME}_etag[] = \"\\\"${digest}\\\"\";\n")
	return()
endif()

set(EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(embed target file name)
	cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE from)
	set(to ${PROJECT_BINARY_DIR}/embedded/${name}.c)
	set(gzip OFF)
	if("${ARGN}" STREQUAL "GZIP")
		set(gzip ON)
	endif()
	add_custom_command(OUTPUT ${to} DEPENDS ${from} ${EMBED_SCRIPT} VERBATIM
		COMMENT "Embedding ${file}"
		COMMAND ${CMAKE_COMMAND} -DEMBED_FROM=${from} -DEMBED_TO=${to} -DEMBED_NAME=${name}
			-DEMBED_GZIP=${gzip} -P ${EMBED_SCRIPT})
	target_sources(${target} PRIVATE ${to})
endfunction()

if(TARGET handlers)
	embed(handlers openapi.yaml openapi_yaml)
endif()
