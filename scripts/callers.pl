#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/callers.pl [-l] [TREE [TABLE]]
# Compares the callers of get_user_pages*() and their relatives in a kernel tree with
# the table that says of each caller how it uses the pages and whether it pins them.
# Prints one line for each caller that has no row, and for each row without a caller.
#   -l     only lists the callers: file, function and callee, separated by tabs
#   TREE   a kernel tree (default: build/BASE/tree)
#   TABLE  a Markdown file with tables whose first two columns are a file and its function,
#          or several functions with commas between (default: docs/callers-BASE.md)
# Exit code: 0 they agree, 1 they do not, 2 not run.
# Environment: BASE

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use Getopt::Long qw(:config bundling);

# The names that count as a call. follow_page() without FOLL_GET is among them, since the
# flags are often in a variable: the table says that such a caller takes no reference.
my $names = join '|',
	'(?:__)?get_user_pages?[a-z_]*',
	'(?:__)?pin_user_pages?[a-z_]*',
	'put_user_page[a-z_]*',
	'iov_iter_(?:get|extract|hold)_pages[a-z0-9_]*',
	'follow_page',
	'get_vaddr_frames';

# All architectures and drivers, not only those that can be built here. Programs in
# tools/ and samples/ do not count.
my @directories = qw(arch block certs crypto drivers fs include init io_uring ipc kernel
	lib mm net security sound usr virt);

my $word = qr/[A-Za-z0-9_]/;
my $define = qr/^[ \t]*#[ \t]*define[ \t]+($word*)(?:\([^)]*\))?/;
my $root = abs_path(dirname($0) . '/..');

sub fail {
	print STDERR basename($0), ": @_\n";
	exit 2;
}

# refuse(REASON): a wrong command line.
sub refuse {
	my ($reason) = @_;

	chomp $reason;
	fail("$reason: scripts/callers.pl --help shows the usage");
}

# usage(): the comment block on top of this file is its help.
sub usage {
	open my $self, '<', $0 or fail("$0: $!");
	while (my $line = <$self>) {
		next if $line =~ /^#!/ || $line =~ /SPDX-License-Identifier/;
		last if $line !~ s/^# ?//;
		print $line;
	}
	exit 0;
}

# code_of(LINE, \IN_COMMENT): the line without comments, strings and character constants.
# IN_COMMENT says whether a comment is open at its beginning, and is set for the next line.
sub code_of {
	my ($line, $in_comment) = @_;
	my $code = '';

	while ($line ne '') {
		if ($$in_comment) {
			return $code if $line !~ s{^.*?\*/}{};
			$$in_comment = 0;
			$code .= ' ';
			next;
		}
		return $code . $line if $line !~ s{^(.*?)(/\*|//|"|')}{};
		$code .= $1;
		if ($2 eq '//') {
			return $code;
		} elsif ($2 eq '/*') {
			$$in_comment = 1;
		} elsif ($2 eq '"') {
			return $code if $line !~ s/^(?:\\.|[^"\\])*"//;
			$code .= '""';
		} else {
			return $code if $line !~ s/^(?:\\.|[^'\\])*'//;
			$code .= '0';
		}
	}
	return $code;
}

# function_name(CODE): the name of the function whose header is this line in column 0, or
# '' if the line is no such header.
sub function_name {
	my ($code) = @_;

	$code =~ s/__attribute__ *\(\([^)]*(?:\([^)]*\))?[^)]*\)\)//g;
	return '' if $code !~ /^[A-Za-z_].*\(/ || $code =~ /^[^(]*=/;
	return $1 if $code =~ /^(?:COMPAT_)?SYSCALL_DEFINE[0-9]\(([a-z0-9_]+)/;
	return $code =~ /^[^(]*?([A-Za-z_]$word*)[ \t]*\(/ ? $1 : '';
}

# callees(CODE): the names that are called there. A name at the end of a line counts: its
# "(" is in the next line.
sub callees {
	my ($code) = @_;

	return $code =~ /(?<!$word)($names)[ \t]*(?:\(|\z)/g;
}

# callers_in(TREE, FILE): a list of pairs [function, callee].
# A function begins with a line in column 0 that has a "(" and comes before a "{", and
# ends with a "}" in column 0. A macro is a caller by its name. A name that is neither in a
# function nor in a macro belongs to a declaration or a definition.
sub callers_in {
	my ($tree, $file) = @_;
	my ($in_comment, $in_macro, $in_body) = (0, 0, 0);
	my ($header, $caller, $macro) = ('', '', '');
	my @calls;

	open my $source, '<', "$tree/$file" or fail("$tree/$file: $!");
	while (my $line = <$source>) {
		chomp $line;
		my $code = code_of($line, \$in_comment);

		if ($in_macro || $code =~ /^[ \t]*#/) {
			my $continued = $code =~ /\\\z/;
			if (!$in_macro) {
				$macro = $code =~ s/$define// ? $1 : '';
			}
			if ($macro ne '') {
				push @calls, map { [$macro, $_] } callees($code);
			}
			$in_macro = $continued;
			next;
		}
		if ($in_body) {
			push @calls, map { [$caller, $_] } callees($code);
			$in_body = 0 if $code =~ /^\}/;
			next;
		}
		$header = function_name($code) || $header if $code =~ /^[A-Za-z_]/;
		if ($header ne '' && $code =~ /\{(.*)/) {
			($caller, $header) = ($header, '');
			push @calls, map { [$caller, $_] } callees($1);
			$in_body = $code !~ /\}[ \t]*\z/;
		} elsif ($code =~ /;[ \t]*\z/) {
			$header = '';
		}
	}
	close $source;
	return @calls;
}

# files_with_calls(TREE): the .c and .h files that name one of the functions.
sub files_with_calls {
	my ($tree) = @_;
	my @there = map { "$tree/$_" } grep { -d "$tree/$_" } @directories;
	my $pattern = "\\b($names)[[:space:]]*(\\(|\$)";

	$pattern =~ s/\(\?:/(/g;
	local $ENV{LC_ALL} = 'C';
	open my $grep, '-|', 'grep', '-rlE', '--include=*.[ch]', $pattern, @there
		or fail("grep: $!");
	chomp(my @files = <$grep>);
	close $grep;
	s{^\Q$tree\E/}{} for @files;
	fail("$tree: no callers at all; is it complete?") if !@files;
	return sort @files;
}

# find_callers(TREE): {file TAB function}{callee} of all calls in the tree.
sub find_callers {
	my ($tree) = @_;
	my %calls;

	for my $file (files_with_calls($tree)) {
		$calls{"$file\t$_->[0]"}{$_->[1]} = 1 for callers_in($tree, $file);
	}
	return \%calls;
}

# read_table(FILE): {file TAB function} => number of rows. A row is
# | file | function, function | ...; the head and the line under it have no "/".
sub read_table {
	my ($name) = @_;
	my %rows;

	open my $table, '<', $name or fail("no table $name");
	while (my $line = <$table>) {
		next if $line !~ /^\|/;
		my (undef, $file, $functions) = split /\|/, $line, -1;
		next if $file !~ m{/};
		$functions //= '';
		$file =~ s/[ `]//g;
		$functions =~ s/[ `()]//g;
		$rows{"$file\t$_"}++ for split /,/, $functions, -1;
	}
	close $table;
	fail("$name has no rows: | file | function | ...") if !%rows;
	return \%rows;
}

# differences(CALLS, ROWS): the lines to print.
sub differences {
	my ($calls, $rows) = @_;
	my @lines;

	my $shown = sub {
		my ($file, $function) = split /\t/, $_[0];
		return "$file: $function()";
	};
	for my $caller (grep { !$rows->{$_} } sort keys %$calls) {
		my $callees = join ' ', sort keys %{ $calls->{$caller} };
		push @lines, $shown->($caller) . " has no row in the table (it calls $callees)";
	}
	for my $row (grep { !$calls->{$_} } sort keys %$rows) {
		push @lines, $shown->($row) .
			' has a row in the table and calls nothing of the kind';
	}
	for my $row (grep { $rows->{$_} > 1 } sort keys %$rows) {
		push @lines, $shown->($row) . ' has more than one row in the table';
	}
	return @lines;
}

# base(): BASE from the environment.
sub base {
	my $base = $ENV{BASE} || '6.1';

	if ($base !~ /^[0-9.]+\z/ || !-r "$root/bases/$base") {
		my $have = join ' ', map { basename($_) } glob "$root/bases/*";
		fail("no base '$base': use BASE=x with one of: $have");
	}
	return $base;
}

sub main {
	my ($list, $help);

	local $SIG{__WARN__} = sub { refuse(lcfirst $_[0]) };
	GetOptions('l' => \$list, 'h|help' => \$help);
	usage() if $help;
	refuse("unexpected argument '$ARGV[2]'") if @ARGV > 2;
	my $tree = $ARGV[0] || "$root/build/" . base() . '/tree';
	my $table = $ARGV[1] || ($list ? '' : "$root/docs/callers-" . base() . '.md');

	fail("$tree is not a kernel tree: it has no mm/gup.c") if !-r "$tree/mm/gup.c";
	my $calls = find_callers($tree);
	if ($list) {
		for my $caller (sort keys %$calls) {
			print "$caller\t$_\n" for sort keys %{ $calls->{$caller} };
		}
		return 0;
	}
	my @lines = differences($calls, read_table($table));
	my $name = basename($table);
	if (@lines) {
		print "$_\n" for @lines;
		print "$name: ", scalar(@lines), " lines to mend\n";
		return 1;
	}
	print "$name: ", scalar(keys %$calls), " callers, each with its row\n";
	return 0;
}

exit main();
