package histories

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Errors of [Judge].
var (
	// ErrIllegal says that no order of the operations explains what the clients saw.
	ErrIllegal = errors.New("the history is not linearizable")
	// ErrUndecided says that porcupine did not finish.
	ErrUndecided = errors.New("porcupine has not finished")
)

// judgement is how long porcupine may take for one history, in the time of the machine.
const judgement = 2 * time.Minute

// Judge holds a history against a model. It must not be called in a bubble, whose clock would not let porcupine finish. The
// error for an illegal one names the page that shows it.
func Judge(model porcupine.Model, history []porcupine.Operation, name string) error {
	result, info := porcupine.CheckOperationsVerbose(model, history, judgement)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("%s: %w within %v: %d operations", name, ErrUndecided, judgement, len(history))
	}
	page, err := draw(model, info, name)
	if err != nil {
		return fmt.Errorf("%s: %w, and it could not be drawn: %w", name, ErrIllegal, err)
	}
	return fmt.Errorf("%s: %w: see %s", name, ErrIllegal, page)
}

// Legal is Judge without a page, for histories that are expected to be illegal.
func Legal(model porcupine.Model, history []porcupine.Operation) bool {
	return porcupine.CheckOperationsTimeout(model, history, judgement) != porcupine.Illegal
}

// draw writes the page and returns its path.
func draw(model porcupine.Model, info porcupine.LinearizationInfo, name string) (path string, err error) {
	f, err := os.CreateTemp("", "history-"+strings.ReplaceAll(name, "/", "-")+"-*.html")
	if err != nil {
		return "", err
	}
	err = porcupine.Visualize(model, info, f)
	return f.Name(), errors.Join(err, f.Close())
}
