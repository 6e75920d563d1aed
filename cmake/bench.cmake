# The yardsticks of `make bench`: no part of the daemon, and built only for it.
file(GLOB bench_programs CONFIGURE_DEPENDS bench/*.c)
foreach(source ${bench_programs})
	get_filename_component(program ${source} NAME_WE)
	add_executable(bench_${program} EXCLUDE_FROM_ALL ${source})
	target_link_libraries(bench_${program} PRIVATE flags PkgConfig::CURL Threads::Threads m)
	if(program STREQUAL "template") # measures a part of the daemon
		target_link_libraries(bench_${program} PRIVATE batch)
	endif()
	list(APPEND bench_targets bench_${program})
endforeach()
if(bench_targets)
	add_custom_target(bench DEPENDS ${bench_targets})
endif()
