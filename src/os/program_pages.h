#pragma once

namespace proa::os {

/// Takes the program's pages (not its libraries') out of this process's memory: what is needed again comes back page by page from the
/// file, which the kernel keeps. Segments that can be written to stay. For a process that has just become quiet. man: madvise(2)
void release_program_pages();

}  // namespace proa::os
