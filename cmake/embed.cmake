# embed.cmake - makes a file part of a library: `const unsigned char embedded_NAME[]` and `embedded_NAME_size`.
#
#   embed(handlers openapi.yaml openapi_yaml)
#
# Run as a script (cmake -P) it writes the C file; included, it defines the function.
if(CMAKE_SCRIPT_MODE_FILE)
	file(READ "${EMBED_FROM}" bytes HEX)
	string(LENGTH "${bytes}" size)
	math(EXPR size "${size} / 2")
	string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
	file(WRITE "${EMBED_TO}" "#include <stddef.h>\n"
		"extern const unsigned char embedded_${EMBED_NAME}[];\n"
		"extern const size_t embedded_${EMBED_NAME}_size;\n"
		"const unsigned char embedded_${EMBED_NAME}[] = {\n${bytes}\n0};\n"
		"const size_t embedded_${EMBED_NAME}_size = ${size};\n")
	return()
endif()

set(EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(embed target file name)
	set(from ${PROJECT_SOURCE_DIR}/${file})
	set(to ${PROJECT_BINARY_DIR}/embedded/${name}.c)
	add_custom_command(OUTPUT ${to} DEPENDS ${from} ${EMBED_SCRIPT} VERBATIM
		COMMENT "Embedding ${file}"
		COMMAND ${CMAKE_COMMAND} -DEMBED_FROM=${from} -DEMBED_TO=${to} -DEMBED_NAME=${name}
			-P ${EMBED_SCRIPT})
	target_sources(${target} PRIVATE ${to})
endfunction()

if(TARGET handlers)
	embed(handlers openapi.yaml openapi_yaml)
endif()
