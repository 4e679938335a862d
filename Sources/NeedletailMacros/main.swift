// The macros of GuestKernel. The compiler starts this program, on the machine that builds, and asks it what to put in
// their place. All of it is in a library, because SwiftPM builds every test of a package in another way, and in the wrong
// order, if one of them depends on a macro's target.

import MacroExpansion

answerCompiler()
