# SPDX-License-Identifier: Apache-2.0
# embed(SYMBOL FILE LIST): FILE as it lies there when the library is built, between SYMBOL and SYMBOL_end, with a zero after it. Adds the
# source of the object to LIST.
function(embed symbol from list)
  set(assembly ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.S)
  file(CONFIGURE OUTPUT ${assembly} CONTENT [[
    .section .rodata
    .balign 8
    .global @symbol@
@symbol@:
    .incbin "@from@"
    .global @symbol@_end
@symbol@_end:
    .byte 0
    .section .note.GNU-stack,"",@progbits
]] @ONLY)
  set_source_files_properties(${assembly} PROPERTIES OBJECT_DEPENDS ${from})
  set(${list} ${${list}} ${assembly} PARENT_SCOPE)
endfunction()
