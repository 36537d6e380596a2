package app

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tillhook/pkg/secret"
)

// misuseError is a command that can't be meant as it was given.
type misuseError struct{ error }

func (e misuseError) Unwrap() error { return e.error }

func misuse(format string, args ...any) error { return misuseError{fmt.Errorf(format, args...)} }

// ExitCode is what a program should exit with after err: 0 without one, 2 for
// wrong use of a command, else 1.
func ExitCode(err error) int {
	var wrong misuseError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		return 2
	}
	return 1
}

// refuseSecrets stops at once when an argument holds a secret. No message of
// ours may repeat one, and whoever typed it must know what became of it.
func refuseSecrets(args []string) error {
	for _, arg := range args {
		_, value, _ := strings.Cut(arg, "=")
		for _, text := range []string{arg, value} {
			if secret.IsShopKey(text) {
				return misuse("an argument holds a storefront's key: it is in the shell's history now, and " +
					"every process here could read it. Make a new one, and revoke this one by its id")
			}
			if strings.Contains(text, "whsec_") || secretAPIKey(text) {
				return misuse("an argument holds a secret: it is in the shell's history now, and every " +
					"process here could read it. Make a new one in Stripe's Dashboard, and give it " +
					"at the prompt or with --stdin")
			}
		}
	}
	return nil
}

// helpCommand is cobra's, but for what it makes of a misspelt command: the help of
// another one.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND ...]", Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 && found.HasSubCommands() {
				return found.RunE(found, rest)
			}
			found.InitDefaultHelpFlag()
			found.InitDefaultVersionFlag()
			return found.Help()
		},
	}
}

// wrongFlag is the error of a flag that isn't there, or can't have that value.
func wrongFlag(c *cobra.Command, err error) error {
	var wrong *pflag.InvalidValueError
	if errors.As(err, &wrong) {
		// What pflag says is which function of Go's library has refused it.
		f := wrong.GetFlag()
		return misuse("--%s %q: want %s; see: %s --help", f.Name, wrong.GetValue(), valuesOf(f), c.CommandPath())
	}
	hint := ""
	if c.HasSubCommands() { // cobra looks at flags before it misses a command
		hint = ", or the command before it is misspelt"
	}
	return misuse("%w%s; see: %s --help", err, hint, c.CommandPath())
}

// valuesOf says what a flag may be set to.
func valuesOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false, or nothing"
	case "int":
		return "a whole number"
	case "duration":
		return "a time with its unit, such as 30m or 2h"
	}
	return "a " + f.Value.Type()
}

// group is a command that only holds others.
func (o *ops) group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ArbitraryArgs,
		// Without this, cobra prints the help for a misspelt command, and exits with 0.
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			hint := ""
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf(" (%s?)", strings.Join(near, ", "))
			}
			return misuse("there is no command %q%s; see: %s --help", args[0], hint, c.CommandPath())
		},
		// That is what SuggestionsFor wants.
		SuggestionsMinimumDistance: 2,
	}
	c.AddCommand(commands...)
	return c
}

// takes is the arguments that a command wants, by their names in its help.
func takes(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(names) == 0 {
			return misuse("%s takes no argument; see: %s --help", c.CommandPath(), c.CommandPath())
		}
		return misuse("want: %s %s; see: %s --help", c.CommandPath(), strings.Join(names, " "), c.CommandPath())
	}
}

// mayTake is takes for a single argument that may be left out.
func mayTake(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return takes("["+name+"]")(c, args)
	}
}
