// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {Ownable} from "solady/auth/Ownable.sol";
import {ERC20} from "solady/tokens/ERC20.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {Registry} from "../Registry.sol";
import {Coordinated} from "../utility/Coordinated.sol";

/// @title Holds money of a consumer or a node, which the Coordinator moves and locks within the owner's allowances.
/// @dev A token is an ERC-20 or, as the zero address, the native coin. A spender is the contract that owns a
/// subscription (consumer's wallet) or the account of a node (node's wallet). Balances are the real ones; only locks
/// are kept here.
/// Warning: `cTransfer` does not look at locks, so one payment may spend what another has in escrow; `withdraw` and
/// `cLock` panic with 0x11 until the wallet holds at least the locked amount again.
contract Wallet is Ownable, Coordinated {
    /// @dev Token -> amount in escrow.
    mapping(address => uint256) private lockedBalance;

    /// @notice Spender -> token -> how much the spender's work may still cost.
    mapping(address => mapping(address => uint256)) public allowance;

    /// @notice The owner took `amount` out.
    event Withdrawl(address token, uint256 amount);
    /// @notice The owner set the allowance of `spender` to `amount`.
    event Approval(address indexed spender, address token, uint256 amount);
    /// @notice `amount` was locked, or unlocked, on account of `spender`.
    event Escrow(address indexed spender, address token, uint256 amount, bool locked);
    /// @notice `amount` was paid to `to` on account of `spender`.
    event Transfer(address indexed spender, address token, address indexed to, uint256 amount);

    /// @notice Thrown when more is withdrawn or locked than is unlocked, or more unlocked than is locked.
    error InsufficientFunds();
    /// @notice Thrown when more is transferred or locked than the spender's allowance.
    error InsufficientAllowance();

    constructor(Registry registry, address initialOwner) Coordinated(registry) {
        _initializeOwner(initialOwner);
    }

    receive() external payable {}

    /// @notice Sets, and does not add to, what may be spent on account of `spender`.
    function approve(address spender, address token, uint256 amount) external onlyOwner {
        allowance[spender][token] = amount;
        emit Approval(spender, token, amount);
    }

    /// @notice Sends `amount` that is not locked to the owner.
    function withdraw(address token, uint256 amount) external onlyOwner {
        if (amount > _unlockedBalance(token)) revert InsufficientFunds();
        _transfer(token, msg.sender, amount);
        emit Withdrawl(token, amount);
    }

    /// @notice Pays `amount` to `to`, locked or not, out of the allowance of `spender`.
    function cTransfer(address spender, address token, address to, uint256 amount) external onlyCoordinator {
        _spendAllowance(spender, token, amount);
        _transfer(token, to, amount);
        emit Transfer(spender, token, to, amount);
    }

    /// @notice Locks `amount`, out of the allowance of `spender`.
    function cLock(address spender, address token, uint256 amount) external onlyCoordinator {
        if (amount > _unlockedBalance(token)) revert InsufficientFunds();
        _spendAllowance(spender, token, amount);
        lockedBalance[token] += amount;
        emit Escrow(spender, token, amount, true);
    }

    /// @notice Unlocks `amount` and gives the allowance back to `spender`.
    function cUnlock(address spender, address token, uint256 amount) external onlyCoordinator {
        if (amount > lockedBalance[token]) revert InsufficientFunds();
        lockedBalance[token] -= amount;
        allowance[spender][token] += amount;
        emit Escrow(spender, token, amount, false);
    }

    function _spendAllowance(address spender, address token, uint256 amount) private {
        if (amount > allowance[spender][token]) revert InsufficientAllowance();
        allowance[spender][token] -= amount;
    }

    /// @dev The native coin is forced upon a recipient that refuses it, so that nobody can block a payment.
    function _transfer(address token, address to, uint256 amount) private {
        if (token == address(0)) {
            SafeTransferLib.forceSafeTransferETH(to, amount);
        } else {
            SafeTransferLib.safeTransfer(token, to, amount);
        }
    }

    function _unlockedBalance(address token) private view returns (uint256) {
        uint256 balance = token == address(0) ? address(this).balance : ERC20(token).balanceOf(address(this));
        return balance - lockedBalance[token];
    }
}
