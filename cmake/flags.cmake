# Flags of every object: strict warnings always; hardening in Release, where no sanitizer looks for what it would hide.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

add_library(flags INTERFACE)
target_include_directories(flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(flags INTERFACE _GNU_SOURCE BATCHGATE_VERSION="${PROJECT_VERSION}")
target_compile_options(flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wmissing-format-attribute
	-Wundef -Wimplicit-fallthrough $<$<C_COMPILER_ID:Clang>:-Wthread-safety>
	$<$<BOOL:${BATCHGATE_WERROR}>:-Werror>)

# Takes what this compiler knows: gcc 12 and clang 14 differ, newer ones know more.
function(flags_add_known)
	foreach(flag ${ARGN})
		string(MAKE_C_IDENTIFIER "takes${flag}" known)
		set(CMAKE_REQUIRED_FLAGS -Werror)
		check_c_compiler_flag(${flag} ${known})
		if(${known})
			target_compile_options(flags INTERFACE ${flag})
		endif()
	endforeach()
endfunction()

# REQUIRE is not assert: it stays in every build.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")

if(BATCHGATE_SANITIZE)
	set(sanitize -fsanitize=${BATCHGATE_SANITIZE} -fno-omit-frame-pointer)
	if(BATCHGATE_SANITIZE MATCHES "undefined")
		list(APPEND sanitize -fno-sanitize-recover=all)
	endif()
	# gcc loses sight of what is set under a sanitizer; the release build looks for this.
	if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
		list(APPEND sanitize -Wno-maybe-uninitialized)
	endif()
	target_compile_options(flags INTERFACE ${sanitize} -O1)
	target_link_options(flags INTERFACE ${sanitize})
elseif(BATCHGATE_COVERAGE)
	target_compile_options(flags INTERFACE --coverage -fprofile-update=atomic)
	target_link_options(flags INTERFACE --coverage)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
	target_compile_options(flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fPIE)
	flags_add_known(-fstack-protector-strong -fstack-clash-protection -fcf-protection=full
		-fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing
		-ftrivial-auto-var-init=zero -fstrict-flex-arrays=3 -fzero-init-padding-bits=all
		-fexceptions -Wtrampolines -Wbidi-chars=any -Werror=implicit
		-Werror=incompatible-pointer-types -Werror=int-conversion)
	target_link_options(flags INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,nodlopen
		-Wl,--as-needed)
endif()
