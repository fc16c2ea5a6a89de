# cmake -DAR=… -DINTO=… -DFROM=… -P merge_archive.cmake: puts the members of one static library into another.
# ar's scripts know no quotes, so both are called by plain names inside a folder of their own.
get_filename_component(folder "${INTO}" DIRECTORY)
set(place "${folder}/merge_archive")
file(REMOVE_RECURSE "${place}")
file(MAKE_DIRECTORY "${place}")
file(CREATE_LINK "${INTO}" "${place}/into.a" SYMBOLIC)
file(CREATE_LINK "${FROM}" "${place}/from.a" SYMBOLIC)
file(WRITE "${place}/script" "CREATE merged.a\nADDLIB into.a\nADDLIB from.a\nSAVE\nEND\n")
execute_process(COMMAND "${AR}" -M INPUT_FILE "${place}/script" WORKING_DIRECTORY "${place}" RESULT_VARIABLE code
                OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT code EQUAL 0 OR NOT EXISTS "${place}/merged.a")
  message(FATAL_ERROR "${AR} could not put ${FROM} into ${INTO}: ${said}")
endif()
file(RENAME "${place}/merged.a" "${INTO}")
file(REMOVE_RECURSE "${place}")
