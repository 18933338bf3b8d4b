// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "solady/auth/Ownable.sol";
import {Fee} from "infernet-sdk/payments/Fee.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";

contract FeeTest is InfernetTest {
    function refusedFor(address caller, bytes memory call, bytes4 expected, string memory what) internal {
        assertReverts(caller, address(fee), call, expected, what);
    }

    function test_constructor_makesTheRecipientTheOwner() public {
        Fee created = Fee(deploy("payments/Fee.sol:Fee", abi.encode(stranger, uint16(500))));

        assertEq(created.FEE(), 500, "FEE");
        assertEq(created.FEE_RECIPIENT(), stranger, "FEE_RECIPIENT");
        assertEq(created.owner(), stranger, "owner");
    }

    function test_updateFee_isNotBounded() public {
        callAs(protocol, address(fee), abi.encodeCall(Fee.updateFee, (type(uint16).max)));
        assertEq(fee.FEE(), type(uint16).max, "FEE");
    }

    function test_updateFee_revertsForOthers() public {
        refusedFor(stranger, abi.encodeCall(Fee.updateFee, (1)), Ownable.Unauthorized.selector, "stranger");
    }

    function test_transferOwnership_movesTheFees() public {
        vm.expectEmit(address(fee));
        emit Ownable.OwnershipTransferred(protocol, stranger);
        callAs(protocol, address(fee), abi.encodeCall(Ownable.transferOwnership, (stranger)));

        assertEq(fee.FEE_RECIPIENT(), stranger, "FEE_RECIPIENT");
        refusedFor(protocol, abi.encodeCall(Fee.updateFee, (1)), Ownable.Unauthorized.selector, "old owner");
    }

    function test_transferOwnership_revertsForTheZeroAddress() public {
        bytes memory call = abi.encodeCall(Ownable.transferOwnership, (address(0)));
        refusedFor(protocol, call, Ownable.NewOwnerIsZeroAddress.selector, "zero");
    }

    function test_renounceOwnership_sendsFeesToNobody() public {
        callAs(protocol, address(fee), abi.encodeCall(Ownable.renounceOwnership, ()));
        assertEq(fee.FEE_RECIPIENT(), address(0), "FEE_RECIPIENT");
    }

    function test_ownershipHandover_isRequestedThenCompleted() public {
        vm.expectEmit(address(fee));
        emit Ownable.OwnershipHandoverRequested(stranger);
        callAs(stranger, address(fee), abi.encodeCall(Ownable.requestOwnershipHandover, ()));
        assertEq(fee.ownershipHandoverExpiresAt(stranger), START + 48 hours, "expiry");

        callAs(protocol, address(fee), abi.encodeCall(Ownable.completeOwnershipHandover, (stranger)));

        assertEq(fee.owner(), stranger, "owner");
    }

    function test_ownershipHandover_canBeCanceled() public {
        callAs(stranger, address(fee), abi.encodeCall(Ownable.requestOwnershipHandover, ()));

        vm.expectEmit(address(fee));
        emit Ownable.OwnershipHandoverCanceled(stranger);
        callAs(stranger, address(fee), abi.encodeCall(Ownable.cancelOwnershipHandover, ()));

        bytes memory call = abi.encodeCall(Ownable.completeOwnershipHandover, (stranger));
        refusedFor(protocol, call, Ownable.NoHandoverRequest.selector, "canceled");
    }
}
