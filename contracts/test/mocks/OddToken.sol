// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "solady/tokens/ERC20.sol";

/// @dev Told when tokens of its accounts have moved or are about to.
interface ITokenHook {
    function onTokenMoved() external;
}

/// @title A token that can be odd in every known way, and can change its manners at any time.
contract OddToken is ERC20 {
    error Blocked(address account);

    /// @notice Transfers answer nothing instead of true.
    bool public silent;

    /// @notice Transfers answer false and move nothing.
    bool public failing;

    /// @notice Part of every transfer that is burnt, in ppm.
    uint256 public burntPpm;

    /// @notice Called after every transfer.
    ITokenHook public hook;

    /// @notice The hook is called before balances change, too.
    bool public early;

    /// @notice Accounts that can neither send nor receive.
    mapping(address account => bool) public blocked;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function behave(bool silent_, bool failing_, uint256 burntPpm_, ITokenHook hook_) external {
        (silent, failing, burntPpm, hook) = (silent_, failing_, burntPpm_, hook_);
    }

    function setEarly(bool early_) external {
        early = early_;
    }

    function setBlocked(address account, bool blocked_) external {
        blocked[account] = blocked_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (failing) return false;
        super.transfer(to, amount);
        return _answer();
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (failing) return false;
        super.transferFrom(from, to, amount);
        return _answer();
    }

    function name() public pure override returns (string memory) {
        return "Odd token";
    }

    function symbol() public pure override returns (string memory) {
        return "ODD";
    }

    function _answer() private view returns (bool) {
        if (silent) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return true;
    }

    function _beforeTokenTransfer(address from, address to, uint256) internal override {
        if (blocked[from]) revert Blocked(from);
        if (blocked[to]) revert Blocked(to);
        if (from == address(0) || to == address(0)) return;
        if (early && address(hook) != address(0)) hook.onTokenMoved();
    }

    function _afterTokenTransfer(address from, address to, uint256 amount) internal override {
        if (from == address(0) || to == address(0)) return;
        if (burntPpm != 0) _burn(to, amount * burntPpm / 1e6);
        if (address(hook) != address(0)) hook.onTokenMoved();
    }
}
